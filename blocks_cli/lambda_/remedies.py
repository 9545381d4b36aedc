"""Remedies for errors of Lambda's runtime: those that no line of the function has raised."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks_cli.lambda_.result import InvocationResult

_REMEDIES = (
    (
        "Runtime.ImportModuleError",
        r"No module named '(blocks_runtime|psycopg)[.']",
        "grant the function, such as with `db.grant_connect(fn)`: a grant adds the layer with {0}",
    ),
    (
        "Runtime.ImportModuleError",
        r"Unable to import module '([^']+)': No module named '\1'",
        "correct `handler` or `code` of the function: there is no module {0}",
    ),
    (
        "Runtime.ImportModuleError",
        r"No module named '([^'.]+)",
        "correct the import, or name the package of {0} in requirements.txt, for `code=function_code(…)`",
    ),
    (
        "Runtime.HandlerNotFound",
        r"Handler '([^']+)' missing on module '([^']+)'",
        "correct `handler` of the function, or define {0} in the module {1}",
    ),
    ("Runtime.MalformedHandlerName", "", "write `handler` as module.function, such as orders.handler"),
    (
        "Runtime.MarshalError",
        "",
        "return JSON: `jsonable(rows)` of blocks_runtime converts UUIDs, dates and times; what was committed stays",
    ),
    (
        "Sandbox.Timedout",
        "",
        "pass `deadline=context` to transactions and statements, or a longer `timeout` to the function",
    ),
)
"""Type of the error, pattern of its message, and the remedy with the groups of the pattern; the first one counts."""


def remedy(result: InvocationResult) -> str | None:
    """Return the remedy for the error of an invocation; None if the function or its libraries have raised it."""
    if result.exceeded is not None:
        return f"set a larger `memory_size` of the function: it used more than its {result.exceeded} MB"
    for kind, pattern, text in _REMEDIES:
        found = re.search(pattern, result.error_message or "")
        if kind == result.error_type and found is not None:
            return text.format(*found.groups())
    return None
