"""Errors of the write-ahead log's reader."""

from __future__ import annotations

from local_dsql.errors import LocalDatabaseError


class LogGap(LocalDatabaseError):
    """Log that has not been read yet is gone: PostgreSQL has removed its file, or reused it for later log."""


class LogNotWritten(LocalDatabaseError):
    """The log was asked for up to a place that PostgreSQL has not written to its files yet."""
