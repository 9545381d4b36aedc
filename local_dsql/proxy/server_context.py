"""Services that all client connections of one endpoint share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from local_dsql.wire.backend import Backend

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dsql_dialect import Profile
    from local_dsql.access import Principal
    from local_dsql.engine.engine import Engine
    from local_dsql.jobs.submit import JobCommitted
    from local_dsql.parsing.long_texts import LongTexts


class Authenticator(Protocol):
    """Verifies login tokens."""

    def authenticate(self, *, user: str, token: str, region: str, host: str | None) -> Principal:
        """Return the IAM principal that logs in as `user`; `host` is the server name of the TLS handshake.

        Raises:
            local_dsql.access.AccessDenied: the token is not valid for this login.
        """


@dataclass(frozen=True, slots=True)
class BackendAddress:
    """The unix socket of PostgreSQL: its folder, and the port number in its name."""

    socket_directory: Path
    port: int

    async def connect(self, parameters: Mapping[str, str]) -> Backend:
        """Return a new connection with these startup parameters.

        Raises:
            local_dsql.wire.response.BackendError: PostgreSQL refused the connection.
            OSError: no server listens on the socket.
        """
        return await Backend.connect(self.socket_directory, self.port, parameters)


@dataclass(frozen=True, slots=True)
class ServerContext:
    """Services of one endpoint.

    Args:
        engine: the concurrency engine of the database.
        profile: dialect that statements must keep to.
        authenticator: verifies login tokens.
        address: PostgreSQL's socket.
        long_texts: parses long texts.
        job_committed: starts the worker after a job has been submitted.
        region: AWS Region that tokens must be signed for.
        login_secret: proves to the database which principal the proxy has authenticated.
        commit_latency: seconds that a COMMIT with changes takes longer.
        login_timeout: seconds from connecting to the end of the login; the default is PostgreSQL's.
    """

    engine: Engine
    profile: Profile
    authenticator: Authenticator
    address: BackendAddress
    long_texts: LongTexts
    job_committed: JobCommitted
    region: str
    login_secret: str = field(repr=False)
    commit_latency: float = 0.0
    login_timeout: float = 60.0
