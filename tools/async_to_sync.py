"""Derive the modules for threads from those for asyncio, so that nothing is written twice.

    python tools/async_to_sync.py            writes `<block>/<module>.py` from `<block>/aio/<module>.py`
    python tools/async_to_sync.py --check    lists modules that are not up to date, and exits with 1

The derived modules are checked in: they are imported, shown in tracebacks, and type-checked.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "runtime" / "blocks_runtime"
BLOCKS = {
    "atomic_table": (
        *("client", "connect", "counter", "dynamodb", "engine", "lease", "queue", "reads", "sql", "store"),
        *("table", "transaction"),
    ),
    "database": ("bulk", "database", "engine", "orm", "pool", "session", "statements", "transaction"),
}
MODULES = tuple(f"{block}/{name}" for block, names in BLOCKS.items() for name in names)

_HEADER = "# Auto-generated from aio/{name}.py by tools/async_to_sync.py: DO NOT EDIT, change that one.\n"

_RULES: tuple[tuple[str, str], ...] = (
    (r"\bawait ", ""),
    (r"\basync (?=def |with |for )", ""),
    (r"\b(Iterable\[\w+\]) \| Async\1", r"\1"),
    (r"\bAbstractAsync(?=[A-Z])", "Abstract"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\b(make|create)_async_engine\b", r"\1_engine"),
    (r"\basync_sessionmaker\b", "sessionmaker"),
    (r"\b(a)(?=(?:close|next|iter)\()", ""),
    (r"\b__a(?=enter__|exit__|iter__|next__)", "__"),
    (r"(?m)^(\s*from \.+\w+)\.aio(?=\.\w+ import)", r"\1"),
    (r"(?m)^(\s*from )\.(\.+)(?=\w| )", r"\1\2"),
)


def source(module: str) -> Path:
    """Return the module for asyncio, by the name of the derived one, as in `database/engine`."""
    path = PACKAGE / f"{module}.py"
    return path.parent / "aio" / path.name


def derived(module: str) -> str:
    """Return the text of the module for threads."""
    text = source(module).read_text(encoding="utf-8")
    for pattern, replacement in _RULES:
        text = re.sub(pattern, replacement, text)
    header = _HEADER.format(name=source(module).stem)
    return _laid_out(header + _awaited(text), PACKAGE / f"{module}.py")


def _awaited(text: str) -> str:
    """Replace every `Awaitable[X]` by `X`, and drop its import."""
    text = re.sub(r"\bAwaitable, |, Awaitable\b(?=\n)", "", text)
    while (start := text.find("Awaitable[")) >= 0:
        inside, depth = start + len("Awaitable["), 1
        end = inside
        while depth:
            depth += {"[": 1, "]": -1}.get(text[end], 0)
            end += 1
        text = text[:start] + text[inside : end - 1] + text[end:]
    return text


def _laid_out(text: str, path: Path) -> str:
    """Let ruff sort the imports and lay out the code, as for every other module."""
    for arguments in (("check", "--select", "I", "--fix", "--quiet"), ("format", "--quiet")):
        command = (sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(path), "-")
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return text


def main() -> int:
    """Write, or check, and return the exit code."""
    outdated = [name for name in MODULES if _read(name) != derived(name)]
    if "--check" in sys.argv:
        print(*(f"not as derived: {name}.py" for name in outdated), sep="\n", end="\n" if outdated else "")
        return int(bool(outdated))
    for name in outdated:
        (PACKAGE / f"{name}.py").write_text(derived(name), encoding="utf-8")
        print(f"derived {name}.py")
    return 0


def _read(name: str) -> str:
    path = PACKAGE / f"{name}.py"
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
