"""Errors of the local database: each says what failed, why, and what to do."""

from __future__ import annotations

from blocks_runtime.shared.explained_error import ExplainedError


class LocalDatabaseError(ExplainedError):
    """The local database could not do what was asked.

    Attributes:
        what: what failed, with the place (a folder, a file, a port).
        why: the reason, in the words of whoever refused where there are some.
        remedy: what to do about it.
    """


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
