"""Error of the local DynamoDB."""

from __future__ import annotations

from blocks_runtime.shared.explained_error import ExplainedError


class LocalDynamoError(ExplainedError):
    """The local DynamoDB does not start, or refuses a command."""
