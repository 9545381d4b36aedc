"""Errors of the write-ahead log's reader."""

from __future__ import annotations

from local_dsql.errors import LocalDatabaseError


class LogGap(LocalDatabaseError):
    """Unread log is gone: PostgreSQL has removed its file, or reused it for later log."""


class LogNotWritten(LocalDatabaseError):
    """PostgreSQL has not yet written the log up to the requested position to its files."""
