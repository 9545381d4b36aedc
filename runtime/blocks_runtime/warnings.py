"""Warnings of the runtime about mistakes that it sees at run time, each once for its place in the code.

Silence one where it is meant: `warnings.filterwarnings("ignore", category=SeparateTransactionWarning)`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from types import FrameType


class SeparateTransactionWarning(UserWarning):
    """A statement or transaction of the database inside another transaction of it, to which it does not belong."""


class FormattedTemplateWarning(UserWarning):
    """Templates of `sql` that differ only in their literals: values are formatted into the text."""


_PASSED = ("blocks_runtime.", "asyncio.", "concurrent.", "contextlib.", "functools.", "threading.")
"""Beginnings of modules that are not the application's: the runtime, and what may call it between two frames of it."""


def place() -> str:
    """Return file and line of the innermost frame of the application, "" if there is none."""
    frame = _caller()
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def warn(text: str, category: type[Warning]) -> None:
    """Issue a warning for the line of the application that is running; Python shows it once for each line and text."""
    import warnings

    frame = _caller()
    if frame is None:
        warnings.warn(text, category, stacklevel=2)
        return
    seen = frame.f_globals.setdefault("__warningregistry__", {})
    warnings.warn_explicit(
        text, category, frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__name__"), seen
    )


def _caller() -> FrameType | None:
    import sys

    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not f"{frame.f_globals.get('__name__', '')}.".startswith(_PASSED):
            return frame
        frame = frame.f_back
    return None
