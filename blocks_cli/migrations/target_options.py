"""The options that select the database of a command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_settings import DATABASE

if TYPE_CHECKING:
    from blocks_settings import Settings


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Selects the project's local database, that of a stack deployed on this machine, or a cluster.

    `database` is the given id, if any; `local` belongs to `stack`. Without stack and endpoint it selects the project's
    local database.
    """

    database: str | None = None
    stack: str | None = None
    local: bool = False
    endpoint: str | None = None
    region: str | None = None

    @classmethod
    def of(
        cls, database: str | None, stack: str | None, local: bool, endpoint: str | None, region: str | None
    ) -> TargetOptions:
        """Check and return the options.

        Raises:
            CommandError: they contradict each other.
        """
        if database is not None:
            check_database(database)
        given = cls(database, stack, local, endpoint, region)
        for one, other, remedy in (
            (stack and "--stack", endpoint and "--endpoint", "pass only one of the two"),
            (local and "--local", endpoint and "--endpoint", "pass only one of the two"),
        ):
            if one and other:
                raise CommandError(f"{one} and {other}", "they select different databases", remedy)
        if region and given.on_this_machine:
            raise CommandError(
                f"--region {region} needs --stack or --endpoint",
                "the Region is used to find a cluster; the local database needs none",
                "pass --stack or --endpoint as well, or omit --region",
            )
        return given

    @property
    def on_this_machine(self) -> bool:
        """True if the options select a local database."""
        return self.endpoint is None and (self.stack is None or self.local)

    def named(self, settings: Settings) -> str:
        """Return the given id of the database, else that of the settings."""
        return self.database or settings.database


def check_database(database: str) -> None:
    """Check the value of `--database`.

    Raises:
        CommandError: it is not the id of a database.
    """
    try:
        DATABASE.read(database, Path())
    except ValueError as error:
        why, _, remedy = str(error).partition("; ")
        raise CommandError(f"--database {database}", why, remedy or "pass the id of a database") from None
