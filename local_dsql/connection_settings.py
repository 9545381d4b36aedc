"""The settings with which a client of another program connects: role, password, and their forms."""

from __future__ import annotations

import json
import re
import shlex
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from blocks_runtime import signing
from blocks_runtime.contract import ADMIN_ROLE, DATABASE
from local_dsql.access.permissions import Permission
from local_dsql.access.short_password import make_short_password
from local_dsql.access.token import MAX_LIFETIME
from local_dsql.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dsql.access import Credentials
    from local_dsql.cluster import LocalCluster

_MAPPED = "SELECT arn FROM sys.iam_pg_role_mappings WHERE pg_role_name = %s ORDER BY 1"


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Host, port, role, password and certificate authority of a local cluster."""

    host: str
    port: str
    role: str
    password: str = field(repr=False)
    authority: str

    @classmethod
    def of(
        cls, cluster: LocalCluster, role: str = ADMIN_ROLE, region: str | None = None, *, short: bool = False
    ) -> ConnectionSettings:
        """Return settings that are valid for a week, by default for `admin` in the first Region.

        Args:
            cluster: a started cluster.
            role: a database role; other than `admin` it needs an IAM identity (`AWS IAM GRANT`, or a local deploy).
            region: Region of the endpoint.
            short: make a password of 35 characters instead of a token.

        Raises:
            ServerError: the role has no IAM identity.
            ValueError: the cluster has no such Region.
        """
        host, _, port = cluster.endpoint(region).partition(":")
        region = region or cluster.regions[0]
        credentials = _credentials(cluster, role)
        if short:
            password = make_short_password(
                credentials, cluster=cluster.identifier, region=region, role=role, now=time.time()
            )
        else:
            password = signing.token(host, region, role, credentials, lifetime=MAX_LIFETIME)
        return cls(host, port, role, password, str(cluster.ca_file))

    def environment(self) -> dict[str, str]:
        """Return libpq's variables, `DATABASE_URL`, and the variable by which Node trusts the authority."""
        return {
            "PGHOST": self.host,
            "PGPORT": self.port,
            "PGUSER": self.role,
            "PGDATABASE": DATABASE,
            "PGPASSWORD": self.password,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": self.authority,
            "NODE_EXTRA_CA_CERTS": self.authority,
            "DATABASE_URL": self.url("libpq"),
        }

    def url(self, client: str) -> str:
        """Return the URL for a kind of client, one of `URLS`."""
        return URLS[client](self)

    def dsn(self) -> str:
        """Return libpq's form of keywords and values, as in `host=localhost port=…`."""
        values = {
            "host": self.host,
            "port": self.port,
            "user": self.role,
            "dbname": DATABASE,
            "password": self.password,
            "sslmode": "verify-full",
            "sslrootcert": self.authority,
        }
        return " ".join(f"{name}={_quoted(value)}" for name, value in values.items())

    def _address(self) -> str:
        return (
            f"{quote(self.role, safe='')}:{quote(self.password, safe='')}@{self.host}:{self.port}/{DATABASE}"
        )

    def _verified(self) -> str:
        return urlencode({"sslmode": "verify-full", "sslrootcert": self.authority}, safe="/", quote_via=quote)


def _jdbc(it: ConnectionSettings) -> str:
    login = urlencode({"user": it.role, "password": it.password}, quote_via=quote)
    return f"jdbc:postgresql://{it.host}:{it.port}/{DATABASE}?{login}&{it._verified()}"


URLS: dict[str, Callable[[ConnectionSettings], str]] = {
    "libpq": lambda it: f"postgresql://{it._address()}?{it._verified()}",
    "sqlalchemy": lambda it: f"postgresql+psycopg://{it._address()}?{it._verified()}",
    "node": lambda it: f"postgresql://{it._address()}?sslmode=verify-full",
    "jdbc": _jdbc,
}
"""URL by kind of client. Node's clients take the authority from NODE_EXTRA_CA_CERTS."""


def shell(values: dict[str, str]) -> str:
    """Return `export` lines for a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())


def dotenv(values: dict[str, str]) -> str:
    """Return the lines of a `.env` file, which a POSIX shell reads as well."""
    return "\n".join(f"{name}={_quoted_for_dotenv(value)}" for name, value in values.items())


def as_json(values: dict[str, str]) -> str:
    """Return a JSON object."""
    return json.dumps(values, indent=1)


FORMATS: dict[str, Callable[[dict[str, str]], str]] = {"shell": shell, "dotenv": dotenv, "json": as_json}


def _credentials(cluster: LocalCluster, role: str) -> Credentials:
    if role == ADMIN_ROLE:
        return cluster.admin_credentials
    import psycopg

    with psycopg.connect(cluster.dsn()) as admin:
        mapped = [arn for (arn,) in admin.execute(_MAPPED, (role,)).fetchall()]
    for arn in mapped:
        if (known := cluster.credentials_of(arn)) is not None:
            return known
    if not mapped:
        raise ServerError(
            f"the role {role} cannot log in to the local database",
            "no IAM identity is mapped to it",
            f"map one: AWS IAM GRANT {role} TO 'arn:aws:iam::000000000000:role/{role}', or grant it with "
            "db.grant_connect(fn) and run blocks deploy --local",
        )
    return cluster.identity(mapped[0], [Permission("dsql:DbConnect", cluster.arn("*"))])


def _quoted_for_dotenv(value: str) -> str:
    """Return a value in quotes if a shell would split it; no reader of `.env` files looks into single ones."""
    if "'" not in value:
        return shlex.quote(value)
    escaped = re.sub(r'(["\\$`])', r"\\\1", value)
    return f'"{escaped}"'


def _quoted(value: str) -> str:
    """Return a value of a keyword in quotes, if libpq needs them."""
    if value and not set(value) & set(" '\\\t\n"):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
