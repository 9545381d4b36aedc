"""Names of the files in the folder of a local DynamoDB."""

from __future__ import annotations

ITEMS = "items.sqlite"
STATE = "server.json"
SERVER_LOCK = "server.lock"
"""Held in exclusive mode by the server process while it runs."""
USERS_LOCK = "users.lock"
"""Held in shared mode by every user; the server ends when it gets it in exclusive mode."""
START_LOCK = "start.lock"
"""Held by the user that starts the server."""
LOG = "server.log"
