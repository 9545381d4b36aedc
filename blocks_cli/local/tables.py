"""The local DynamoDB of a deployment: one server for all tables, started with the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from local_dynamodb import LocalDynamo, LocalDynamoError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from local_dsql.access import Permission


class Tables:
    """The tables of a deployment, in a folder of the workspace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: LocalDynamo | None = None

    @property
    def url(self) -> str | None:
        """URL of the endpoint; None while there is no table."""
        return None if self._running is None else self._running.url

    def start(self) -> LocalDynamo:
        """Return the server; start it with the first call.

        Raises:
            CommandError: it does not start.
        """
        if self._running is None:
            dynamo = LocalDynamo(self._folder)
            try:
                self._running = dynamo.start()
            except LocalDynamoError as error:
                raise CommandError(error.what, error.why, error.remedy, ExitCode.CANNOT_CONNECT) from error
        return self._running

    def register(self, access_key_id: str, role_arn: str, permissions: Sequence[Permission]) -> None:
        """Make requests with a role's key need its permissions; no effect while there is no table."""
        if self._running is not None:
            self._running.identity(access_key_id, role_arn, permissions)

    def close(self) -> None:
        """Detach; the server ends unless another process uses it."""
        running, self._running = self._running, None
        if running is not None:
            running.close()
