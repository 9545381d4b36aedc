"""Run the commands of a page in one shell, and compare outputs by their shape, without numbers and ids."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = "\x01"
_LEFT_OUT = re.compile(
    r"^(?:note     .*runs under|note     .*uses the installed|\[|loading |local cluster in )"
)
"""Lines on this machine's Python, and of the functions' own output, which the page leaves out."""
_STEP = re.compile(r"^(?:create|update|keep) {3}")
_SHAPES = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"\b[a-z0-9]{26}\b", "ID"),
    (r"(?<=Role)[0-9A-F]{8}-[0-9A-F]{12}", "ID"),
    (r"[▁▂▃▄▅▆▇█]+(?: *[▁▂▃▄▅▆▇█]+)*", "BARS"),
    (r"(?:BARS|\d[\d,.:]*)(?: +(?:BARS|\d[\d,.:]*))*", "N"),
    (r"-{3,}", "---"),
    (r" +", " "),
    (r" $", ""),
)


def commands(block: str) -> list[str]:
    """Return the commands of a console block. A command continues after a line that ends with a backslash."""
    return [each.removeprefix("$ ") for each in re.findall(r"^\$ (?:.*\\\n)*.*$", block, re.MULTILINE)]


def run(page: str, folder: Path, path: Sequence[str]) -> str:
    """Return the page with the output that its commands print in a folder, with these folders before PATH."""
    lines = [each for block in CONSOLE.findall(page) for each in commands(block)]
    script = "".join(f"printf '{_MARK}'\n{line} || printf '[exit %d]\\n' $?\n" for line in lines)
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PG"))}
    ran = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=folder,
        env=outer
        | {"PATH": os.pathsep.join([*path, os.environ["PATH"]]), "PSQL_PAGER": "", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    outputs = iter(ran.stdout.split(_MARK)[1:])

    def played(block: re.Match[str]) -> str:
        return (
            "```console\n"
            + "".join(f"$ {line}\n{shown(next(outputs))}" for line in commands(block[1]))
            + "```"
        )

    return CONSOLE.sub(played, page)


def shown(output: str) -> str:
    """Return an output as the page has it: without lines on this machine, and one line for the steps of a deploy."""
    lines: list[str] = []
    for line in output.splitlines():
        if _STEP.match(line):
            if lines[-1:] != ["…"]:
                lines.append("…")
        elif not _LEFT_OUT.match(line) or line.startswith("[exit "):
            lines.append(line.rstrip())
    return "".join(f"{line}\n" for line in lines)


def shape(page: str) -> str:
    """Return a page with the same text for numbers, ids and plots in its console blocks."""

    def same(block: re.Match[str]) -> str:
        text = block[0]
        for pattern, name in _SHAPES:
            text = re.sub(pattern, name, text, flags=re.MULTILINE)
        return text

    return CONSOLE.sub(same, page)


PROGRAMS = str(Path(sys.executable).parent)
"""Folder of `blocks`, `local-dsql` and `python`."""
