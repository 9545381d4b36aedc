"""One database to log in to, and the connection parameters that follow from it: pure data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..contract import DATABASE, DEFAULT_PORT, Variables

AMAZON_ROOTS = Path(__file__).parent / "certificates" / "amazon_roots.pem"
"""Amazon Trust Services' public roots; the OpenSSL in psycopg's binary wheels finds no system roots."""

CONNECT_TIMEOUT = 10
"""Seconds for one address; a name with an IPv4 and an IPv6 address gets this for each."""

_DIRECT_TLS = 170000  # the libpq that knows sslnegotiation=direct, which saves a round trip


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect and as whom: host and port, the Region to sign for, the database role, a CA file."""

    host: str
    port: int
    region: str
    role: str
    ca: str

    @classmethod
    def of(cls, variables: Variables) -> Target:
        """Return the target that variables describe; without a CA of its own, Amazon's roots apply.

        Raises:
            ValueError: what follows the colon of the endpoint is not a port.
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

        TLS is verified, always: there is no way to turn it off. A peer that vanished without a word is
        noticed by the kernel in about 20 seconds, also in the middle of a statement.
        """
        parameters: dict[str, str | int] = {
            "host": self.host,
            "port": self.port,
            "dbname": DATABASE,
            "user": self.role,
            "password": password,
            "application_name": "blocks-dsql",
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
