"""Errors of the local database: what failed, why, and what to do."""

from __future__ import annotations

import sys
from typing import NoReturn

from blocks_runtime.shared.explained_error import ExplainedError


class LocalDatabaseError(ExplainedError):
    """A request to the local database failed.

    Attributes:
        what: what failed, with the folder, file or port.
        why: the reason, with the original message if there is one.
        remedy: what to do.
    """


class PostgresNotFoundError(LocalDatabaseError):
    """No PostgreSQL 16 was found, or the named one has another major version."""


class PostgresError(LocalDatabaseError):
    """PostgreSQL could not be initialised or started, or it stopped unexpectedly."""


class FolderError(LocalDatabaseError):
    """The folder of the local database cannot be created, read or written."""


class ServerError(LocalDatabaseError):
    """The server process of the folder did not start, or has stopped."""


class ServerMismatchError(LocalDatabaseError):
    """A server with other options already runs in the folder."""


def missing_extra(program: str, extra: str) -> NoReturn:
    """Print which extra `program` needs, which a bare `pip install blocks-dsql` lacks, and exit with status 2."""
    print(
        f"error: {program}: its packages are not installed\n"
        "  why: `blocks-dsql` alone installs only what a function needs at run time\n"
        f"  do:  pip install 'blocks-dsql[{extra}]'",
        file=sys.stderr,
    )
    sys.exit(2)
