"""Run the commands of a page: write its files and insert the outputs, from top to bottom."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.blocks_cli.migrations.conftest import Project

FENCE = re.compile(
    r"^```(?P<kind>sql|csv|console) ?(?P<file>\S*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
_CHANGING = {
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d": "2026-11-21 09:30:00",
    r"\S+@\S+ blocks\[\d+/[0-9a-f]+\]": "ana@laptop blocks[4711/3fa2]",
    r"\b\d+ ms": "12 ms",
    r"[\d,]+ rows/s": "9,000 rows/s",
    r"storage  [\d,]+ bytes": "storage  500 bytes",
    r'"seconds": [\d.]+': '"seconds": 0.012',
    r"\d{4}-\d\d-\d\dT[0-9:.]+\+00:00": "2026-11-21T09:30:00.000000+00:00",
}


def run(document: str, project: Project) -> str:
    """Return the page with the current output of its `$ blocks …` lines; times and names are normalized.

    A code block `sql FILE` or `csv FILE` is written to that file, `$ export NAME=VALUE` sets a variable.
    """
    folders = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    project.monkeypatch.setenv("PATH", folders)  # for `blocks cost -- blocks …`
    return FENCE.sub(lambda fence: _play(fence, project), document)


def files(document: str) -> dict[str, str]:
    """Return the files of the page, by name without `.sql`."""
    fences = FENCE.finditer(document)
    return {PurePath(each["file"]).stem: each["body"] for each in fences if each["kind"] == "sql"}


def _play(fence: re.Match[str], project: Project) -> str:
    if fence["kind"] != "console":
        (project.folder / fence["file"]).write_text(fence["body"])
        return fence[0]
    lines = [line for line in fence["body"].splitlines() if line.startswith("$ ")]
    body = "".join(f"{line}\n{_output(line.removeprefix('$ '), project)}" for line in lines)
    return f"```console\n{body}```"


def _output(line: str, project: Project) -> str:
    program, *arguments = shlex.split(line)
    if program == "export":
        name, _, value = arguments[0].partition("=")
        project.monkeypatch.setenv(name, value)
        return ""
    assert program == "blocks"
    return same(project.blocks(*arguments).text)


def same(text: str) -> str:
    """Return an output with the same times and names in each run."""
    for pattern, example in _CHANGING.items():
        text = re.sub(pattern, example, text)
    return text
