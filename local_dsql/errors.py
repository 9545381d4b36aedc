"""Errors of the local database: each says what failed, why, and what to do."""

from __future__ import annotations

import sys
from typing import NoReturn


class LocalDatabaseError(Exception):
    """The local database could not do what was asked.

    Attributes:
        what: what failed, with the place (a folder, a file, a port).
        why: the reason, in the words of whoever refused where there are some.
        remedy: what to do about it.
    """

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(what, why, remedy)
        self.what, self.why, self.remedy = what, why, remedy

    def __str__(self) -> str:
        return f"{self.what}\n  why: {self.why}\n  do:  {self.remedy}"


class PostgresNotFoundError(LocalDatabaseError):
    """No PostgreSQL 16 programs were found, or those named are of another major version."""


class PostgresError(LocalDatabaseError):
    """PostgreSQL could not be initialised or started, or it stopped by itself."""


class FolderError(LocalDatabaseError):
    """The folder of the local database cannot be created, read or written."""


class ServerError(LocalDatabaseError):
    """The server process of the folder did not start, or is gone."""


class ServerMismatchError(LocalDatabaseError):
    """The folder is being served already, and not in the way that was asked for."""


def missing_extra(program: str, extra: str) -> NoReturn:
    """Exit with status 2, naming the extra that `program` needs; a bare `pip install blocks-dsql` lacks it."""
    print(
        f"error: {program}: its packages are not installed\n"
        "  why: `blocks-dsql` alone installs only what a function needs at run time\n"
        f"  do:  pip install 'blocks-dsql[{extra}]'",
        file=sys.stderr,
    )
    sys.exit(2)
