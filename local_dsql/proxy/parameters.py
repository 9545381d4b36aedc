"""Run-time parameters of DSQL: which ones a client may set, and those that SHOW answers unlike PostgreSQL."""

from __future__ import annotations

SETTABLE = frozenset(
    {
        "application_name",
        "client_encoding",
        "datestyle",
        "extra_float_digits",
        "intervalstyle",
        "search_path",
        "timezone",
    }
)
"""Parameters that a client may set (AWS user guide, supported parameters), lower-case."""

SERVER_VERSION = "16.15"
"""The version that a cluster reports (recorded 2026-09-16, eu-central-1); it changes with patches."""

RENAMED = {"disable_sync_create_index": "dsql.disable_sync_create_index"}
"""Parameters that PostgreSQL does not have, and the names under which it keeps them: it knows none without a dot."""

FIXED = {"server_version": SERVER_VERSION, "server_version_num": "160015"}
"""Values that SHOW must return as DSQL does, although PostgreSQL fixes its own at compile time."""
