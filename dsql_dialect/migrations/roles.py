"""Find roles that statements name and that neither DSQL nor a migration creates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime.contract import ADMIN_ROLE
from dsql_dialect.migrations.probe import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dsql_dialect.rule import Node
    from dsql_dialect.statement import Statement

_OF_OTHERS = frozenset(
    {
        *(
            "postgres",
            "rdsadmin",
            "rds_superuser",
            "rds_iam",
            "cloudsqlsuperuser",
            "cloudsqladmin",
            "azure_pg_admin",
        ),
        *("azuresu", "neon_superuser", "supabase_admin", "authenticated", "anon", "service_role"),
    }
)
"""Roles of PostgreSQL's own installation and of other services: a grant to any other may be to one of a deploy."""


def created(statements: Iterable[Statement]) -> frozenset[str]:
    """Return the roles that statements create or rename to, with the one that every cluster has."""
    return frozenset({ADMIN_ROLE, *_made(statements)})


def _made(statements: Iterable[Statement]) -> Iterator[str]:
    for statement in statements:
        if statement.node in ("CreateRole", "Rename"):
            _, root = tree_of(statement)
            if "role" in root:
                yield root["role"]
            elif root.get("renameType") == "OBJECT_ROLE":
                yield root["newname"]


def unknown(statement: Statement, known: frozenset[str]) -> list[str]:
    """Return the roles, each once, that a statement names and that do not exist.

    An owner has to be known. A role that is granted something is unknown if it is one of another service: the others
    may be made by a deploy.
    """
    if statement.node not in _NAMING:
        return []
    _, root = tree_of(statement)
    owners = {each for each in _owners(root) if each not in known}
    grantees = {each for each in _grantees(root) if each in _OF_OTHERS - known}
    return sorted(owners | grantees)


_NAMING = frozenset(
    {"AlterOwner", "AlterTable", "CreateSchema", "Grant", "GrantRole", "AlterDefaultPrivileges"}
)


def _owners(root: Node) -> Iterator[str]:
    specs = [root.get("newowner"), root.get("authrole")]
    specs += [each["AlterTableCmd"].get("newowner") for each in root.get("cmds", ())]
    yield from (each["rolename"] for each in specs if each is not None and "rolename" in each)


def _grantees(root: Node) -> Iterator[str]:
    action = root.get("action")
    grant = action if isinstance(action, dict) else root  # ALTER DEFAULT PRIVILEGES … GRANT …
    specs = [*grant.get("grantees", ()), *grant.get("grantee_roles", ())]
    yield from (each["RoleSpec"]["rolename"] for each in specs if "rolename" in each["RoleSpec"])
