"""Output of a failed app: its messages without the traceback of Python and jsii."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

_BEGINNINGS = ("Traceback (most recent call last):", "jsii.errors.")
"""Beginnings of the first line of a traceback; that of an error in the CDK's JavaScript comes before Python's."""
_WRAPPED = re.compile(r"^.*@jsii/kernel\.\w+: ")
"""Words of jsii before the message of a Python callback, such as the bundling of an asset."""
_RAISED = re.compile(r"(?P<kind>[A-Za-z_][\w.]*): (?P<text>.*)|(?P<bare>[A-Za-z_][\w.]*(Error|Exception))")
_FRAME = re.compile(r'  File "(?P<file>[^"]+)", line (?P<line>\d+)')
_FOREIGN = ("site-packages", "/lib/python", "<frozen")


def begins_traceback(line: str) -> bool:
    """Return whether a line of an app's error output is the first one of a traceback."""
    return line.startswith(_BEGINNINGS)


def app_error(command: str, status: int, traceback: Sequence[str]) -> CommandError | None:
    """Return the error that a traceback ends with; None if the lines have no exception.

    An error in three parts, and a list of them, stays as it is; any other exception gets its place in the app.
    """
    starts = [number for number, line in enumerate(traceback) if _RAISED.match(line)]
    if not starts:
        return None
    matched = _RAISED.match(traceback[starts[-1]])
    assert matched is not None
    first = matched["text"] or ""
    explained = _explained("\n".join((first, *traceback[starts[-1] + 1 :])))
    if explained is not None:
        return explained
    kind = (matched["kind"] or matched["bare"]).rpartition(".")[2]
    return CommandError(
        f"synth failed: {command}",
        f"{kind}: {first or 'no message'}{_place(traceback)}",
        f"correct the app, then deploy again; nothing was changed (status {status}; --debug shows the traceback)",
    )


def _explained(text: str) -> CommandError | None:
    """Return the errors of a text of `what`, `why` and `do` lines: the last one, with the others before it."""
    parts = re.findall(
        r"^(?! )(?P<what>.+)\n  why: (?P<why>(?:.+\n)+?)  do:  (?P<do>.+)$", text, re.MULTILINE
    )
    errors = [CommandError(_WRAPPED.sub("", what), why.strip(), remedy) for what, why, remedy in parts]
    if not errors:
        return None
    *before, last = errors
    last.before = tuple(before)
    return last


def _place(traceback: Sequence[str]) -> str:
    """Return the last place of a traceback that is in the app."""
    frames = [match for line in traceback if (match := _FRAME.match(line))]
    own = [each for each in frames if not any(part in each["file"] for part in _FOREIGN)]
    return f" ({own[-1]['file']}:{own[-1]['line']})" if own else ""
