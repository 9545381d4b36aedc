"""Names and limits that synth, migrator, runtime and command line share: variables, database roles, quotas.

The construct writes these variables, the migrator creates these roles, the local deploy repeats both and the
runtime reads them; each imports this module. It imports the standard library alone, as it is loaded at synth, in
Lambda and by the command line.
"""

from __future__ import annotations

import enum
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .limits import (
    BYTES_PER_MESSAGE,
    BYTES_PER_TRANSACTION,
    CONNECTION_SECONDS,
    ROWS_PER_TRANSACTION,
    TRANSACTION_SECONDS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ADMIN_ROLE",
    "BYTES_PER_MESSAGE",
    "BYTES_PER_TRANSACTION",
    "CONNECTION_SECONDS",
    "DATABASE",
    "DEFAULT_PORT",
    "ROWS_PER_TRANSACTION",
    "TRANSACTION_SECONDS",
    "Access",
    "TableVariables",
    "Variables",
    "cluster_variable",
    "custom_role",
    "custom_role_prefix",
    "database_role",
    "explain_command",
    "variable_prefix",
]

ADMIN_ROLE = "admin"
"""The database role that DSQL creates with every cluster; only the migrator logs in with it."""

DATABASE = "postgres"
"""The only database of a cluster."""

DEFAULT_PORT = 5432


def explain_command(code: str) -> str:
    """Return the command that explains a code of a message: a rule, a SQLSTATE, or a class of errors."""
    return f"blocks explain-error {code}"


class Access(enum.Enum):
    """Access level of a grantee on the tables of a database."""

    READ_WRITE = "READ_WRITE"
    """SELECT, INSERT, UPDATE and DELETE on every table that the migrations created."""
    READ_ONLY = "READ_ONLY"
    """SELECT on every table that the migrations created."""


def variable_prefix(name: str) -> str:
    """Return the prefix of a database's variables: `BLOCKS_` and the name in capitals.

    Every run of characters other than A–Z and 0–9 becomes one underscore, so `my-db` and `my.db` share a
    prefix.

    Raises:
        ValueError: the name has no ASCII letter or digit.
    """
    capitals = re.sub(r"[^A-Z0-9]+", "_", name.upper())
    if not capitals.strip("_"):
        raise ValueError(
            f"the name {name!r} has no letter A-Z or digit, so no variable can be named after it; "
            "choose an id such as 'main'"
        )
    return f"BLOCKS_{capitals}"


def cluster_variable(name: str) -> str:
    """Return the variable of the migrator with the identifiers of the clusters of a database, separated by commas."""
    return f"{variable_prefix(name)}_CLUSTER"


def database_role(name: str, access: Access) -> str:
    """Return the database role of an access level of a database.

    PostgreSQL truncates names to 63 characters, so a longer one ends in a digest.
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    role = f"blocks_{plain}_{access.value.lower()}"
    if len(role) <= 63:
        return role
    return f"{role[:50]}_{hashlib.sha256(role.encode()).hexdigest()[:12]}"


def custom_role(name: str, role: str) -> str:
    """Return the database role of a `DatabaseRole` called `role` in a database."""
    return custom_role_prefix(name) + role


def custom_role_prefix(name: str) -> str:
    """Return the prefix of the custom roles of a database, which no other role of this library has.

    No name of a database has two underscores in a row here, so a role of `main-x` never looks like one of `main`.
    The prefix has 31 characters at most, which leaves 32 for the role's own name.
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if len(plain) > 22:
        plain = f"{plain[:9]}_{hashlib.sha256(plain.encode()).hexdigest()[:12]}"
    return f"blocks_{plain}__"


@dataclass(frozen=True, slots=True)
class Variables:
    """Endpoint, Region and database role to log in with, as environment variables carry them.

    `endpoint` is a host name, with `:port` only for a local cluster; `ca` names a PEM file only for a local
    cluster.
    """

    endpoint: str
    region: str
    role: str
    ca: str | None = None

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment variables of a function that uses the database `name`."""
        prefix = variable_prefix(name)
        pairs = {
            f"{prefix}_ENDPOINT": self.endpoint,
            f"{prefix}_REGION": self.region,
            f"{prefix}_ROLE": self.role,
        }
        return pairs if self.ca is None else pairs | {f"{prefix}_CA": self.ca}

    @classmethod
    def read(cls, name: str, environ: Mapping[str, str]) -> Variables | None:
        """Return the variables of the database `name` in `environ`, or None if there are none.

        Raises:
            KeyError: some are set and one is missing; its argument is the missing name.
        """
        prefix = variable_prefix(name)
        required = [f"{prefix}_{part}" for part in ("ENDPOINT", "REGION", "ROLE")]
        if not any(variable in environ for variable in required):
            return None
        endpoint, region, role = (environ[variable] for variable in required)
        return cls(endpoint, region, role, environ.get(f"{prefix}_CA"))


@dataclass(frozen=True, slots=True)
class TableVariables:
    """Name and Region of a DynamoDB table, as environment variables carry them."""

    table: str
    region: str

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment variables of a function that uses the table of the `AtomicTable` `name`."""
        prefix = variable_prefix(name)
        return {f"{prefix}_TABLE": self.table, f"{prefix}_REGION": self.region}

    @classmethod
    def read(cls, name: str, environ: Mapping[str, str]) -> TableVariables | None:
        """Return the variables of the table `name` in `environ`, or None if there are none.

        Raises:
            KeyError: the table is set and its Region is missing; its argument is the missing name.
        """
        prefix = variable_prefix(name)
        if f"{prefix}_TABLE" not in environ:
            return None
        return cls(environ[f"{prefix}_TABLE"], environ[f"{prefix}_REGION"])
