"""Connection target and its libpq parameters, as plain data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..contract import DATABASE, DEFAULT_PORT, Variables

AMAZON_ROOTS = Path(__file__).parent / "certificates" / "amazon_roots.pem"
"""Amazon Trust Services' public roots; the OpenSSL in psycopg's binary wheels does not find the system's."""

CONNECT_TIMEOUT = 10
"""Seconds for one address; a name with an IPv4 and an IPv6 address has this for each."""

_DIRECT_TLS = 170000  # the first libpq with sslnegotiation=direct, which saves a round trip


@dataclass(frozen=True, slots=True)
class Target:
    """Host, port, Region to sign for, database role, and CA file of a connection."""

    host: str
    port: int
    region: str
    role: str
    ca: str

    @classmethod
    def of(cls, variables: Variables) -> Target:
        """Return the target that variables describe; without a CA, Amazon's roots apply.

        Raises:
            ValueError: the endpoint has a colon without a port after it.
        """
        host, _, port = variables.endpoint.partition(":")
        if port and not port.isdecimal():
            raise ValueError(f"not a port in endpoint {variables.endpoint!r}: give `host` or `host:port`")
        return cls(
            host,
            int(port) if port else DEFAULT_PORT,
            variables.region,
            variables.role,
            variables.ca or str(AMAZON_ROOTS),
        )

    def parameters(self, password: str, libpq: int) -> dict[str, str | int]:
        """Return the connection parameters for a token and a version of libpq (as in `170004`).

        The application is the Lambda function, by which Database Insights and `pg_stat_activity` group sessions.
        TLS is always verified, and cannot be turned off. The kernel detects an unreachable server within about 20
        seconds, also during a statement.
        """
        parameters: dict[str, str | int] = {
            "host": self.host,
            "port": self.port,
            "dbname": DATABASE,
            "user": self.role,
            "password": password,
            "application_name": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "blocks-dsql"),
            "sslmode": "verify-full",
            "sslrootcert": self.ca,
            "gssencmode": "disable",
            "connect_timeout": CONNECT_TIMEOUT,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "tcp_user_timeout": 20_000,
        }
        if libpq >= _DIRECT_TLS:
            parameters["sslnegotiation"] = "direct"
        return parameters
