"""Which database a command works on, as the options say it."""

from __future__ import annotations

from dataclasses import dataclass

from blocks_cli.errors import CommandError

DEFAULT_DATABASE = "main"


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """The project's local database, the one of a stack deployed on this machine, or a cluster.

    `database` is the id that was asked for, if any; `local` belongs to `stack`. Without stack and endpoint it
    is the project's local database.
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
        """Return what the options name.

        Raises:
            CommandError: they contradict each other.
        """
        given = cls(database, stack, local, endpoint, region)
        for one, other, remedy in (
            (stack and "--stack", endpoint and "--endpoint", "name the cluster by one of the two"),
            (local and "--local", endpoint and "--endpoint", "leave one of the two out"),
        ):
            if one and other:
                raise CommandError(f"{one} and {other}", "they name two databases", remedy)
        if region and given.on_this_machine:
            raise CommandError(
                f"--region {region}: of which cluster?",
                "the local database has no other Region to be looked for in",
                "name a cluster by --stack or --endpoint, or leave --region out",
            )
        return given

    @property
    def on_this_machine(self) -> bool:
        """True unless it is a cluster."""
        return self.endpoint is None and (self.stack is None or self.local)

    @property
    def name(self) -> str:
        """The database's id, as far as the options say it."""
        return self.database or DEFAULT_DATABASE
