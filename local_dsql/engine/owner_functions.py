"""Functions with which the engine writes to tables whose CHECKs, domains or indexes call code of clients.

That code runs as the owner of the table. An owner could change or drop the function that runs as it (ALTER FUNCTION,
DROP). So the function compares `current_user` and refuses if they differ, and the engine creates it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dsql_dialect import Statement
    from local_dsql.wire.backend import Backend

_MAKE = """
SELECT pg_catalog.pg_advisory_xact_lock(0);
CREATE OR REPLACE FUNCTION local_dsql_engine.as_{owner}(namespace text, statement text, places tid[], images anyarray)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number bigint;
BEGIN
    IF (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) IS DISTINCT FROM {owner}::oid THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied';
    END IF;
    EXECUTE format('SET LOCAL search_path = pg_catalog, %I, pg_temp', namespace);
    EXECUTE statement USING places, images;
    GET DIAGNOSTICS number = ROW_COUNT;
    RETURN number;
END
$$;
DO $do$
BEGIN
    EXECUTE format('ALTER FUNCTION local_dsql_engine.as_{owner}(text, text, tid[], anyarray) OWNER TO %I',
        pg_catalog.pg_get_userbyid({owner}));
END
$do$;
REVOKE EXECUTE ON FUNCTION local_dsql_engine.as_{owner}(text, text, tid[], anyarray) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION local_dsql_engine.as_{owner}(text, text, tid[], anyarray) TO local_dsql_engine;
"""
_OWNED = (
    "SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname IN ({roles})"
    " AND pg_catalog.to_regprocedure('local_dsql_engine.as_' || r.oid || '(text, text, tid[], anyarray)') IS NOT NULL"
)
_DROP = """
DELETE FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND deptype = 'e'
    AND objid = pg_catalog.to_regprocedure('local_dsql_engine.as_{owner}(text, text, tid[], anyarray)');
DROP FUNCTION IF EXISTS local_dsql_engine.as_{owner}(text, text, tid[], anyarray);
"""
"""It is a member of an extension, so that dumps leave it out (`catalog/80_dumps.sql`)."""


class OwnerFunctions:
    """Creates the functions, over a superuser's connection that runs nothing else."""

    def __init__(self, superuser: Backend) -> None:
        self._superuser = superuser
        self._made: set[int] = set()

    async def ensure(self, owner: int) -> None:
        """Create the function of an owner (OID) unless it exists.

        Raises:
            BackendError: the role no longer exists.
        """
        if owner not in self._made:
            await self._superuser.exclusive_rows(_MAKE.format(owner=int(owner)))
            self._made.add(owner)

    async def remove(self, roles: Sequence[str]) -> None:
        """Drop the functions of roles: a role that owns one cannot be dropped. They are created again when needed."""
        found = await self._superuser.exclusive_rows(_OWNED.format(roles=", ".join(map(literal, roles))))
        for (owner,) in found:
            self._made.discard(int(str(owner)))
            await self._superuser.exclusive_rows(_DROP.format(owner=int(str(owner))))

    async def repair(self, owners: Iterable[int]) -> bool:
        """Create the functions of owners again; return whether there are any."""
        spoilt = set(owners)
        self._made -= spoilt
        for owner in spoilt:
            await self.ensure(owner)
        return bool(spoilt)


def roles_dropped(statement: Statement) -> list[str]:
    """Return the names of the roles that a statement drops."""
    if statement.node != "DropRole":
        return []
    (tree,) = libpg_query.parse(statement.backend_sql.encode())
    roles = tree["stmt"]["DropRoleStmt"]["roles"]
    return [name for each in roles if (name := each["RoleSpec"].get("rolename"))]
