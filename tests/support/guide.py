"""Run the code blocks of a guide from top to bottom, in a project with a local database.

```sql FILE, ```python FILE …   the file is written
```console                      commands are run; their output is the rest of the block
```python                       statements, with `db`, `sql`, `refused`, and the connections `ana` and `ben`
```pycon                        the same, compared by doctest
```pgsql                        statements for `admin`, one by one
```text                         a diagram
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from blocks_runtime import DistributedDatabase, sql
from tests.support import transcript

if TYPE_CHECKING:
    from tests.blocks_cli.migrations.conftest import Project

FENCE = re.compile(r"^```(?P<kind>\w+)(?: (?P<file>\S+))?\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
FILES = ("sql", "csv", "python", "json", "toml", "yaml")
KINDS = (*FILES, "console", "python", "pycon", "pgsql", "text")


@dataclass
class Guide:
    """A run of one page."""

    project: Project
    page: str
    names: dict[str, object] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    """Differences that doctest has found."""
    opened: list[psycopg.Connection | DistributedDatabase] = field(default_factory=list)

    def run(self) -> str:
        """Return the page with the current output of its console blocks."""
        module = types.ModuleType("guide")
        self.names = vars(module)
        with self.project.monkeypatch.context() as patch:
            patch.setitem(sys.modules, "guide", module)
            for name, value in self.project.cluster.environment("main").items():
                patch.setenv(name, value)
            self._prepare()
            return FENCE.sub(self._block, self.page)

    def _prepare(self) -> None:
        dsn = self.project.cluster.dsn()
        ana, ben = (psycopg.connect(dsn, autocommit=True) for _ in range(2))
        db = DistributedDatabase("main")
        self.opened = [ana, ben, db]
        self.names.update(db=db, sql=sql, refused=self._refused, ana=ana, ben=ben)

    def close(self) -> None:
        """Close what the page has used."""
        for each in self.opened:
            each.close()

    def _refused(self, statement: str) -> str:
        with psycopg.connect(self.project.cluster.dsn(), autocommit=True) as connection:
            try:
                connection.execute(statement)
            except psycopg.Error as error:
                return f"{error.sqlstate}: {error.diag.message_primary}"
        return "accepted"

    def _block(self, fence: re.Match[str]) -> str:
        kind, file, body = fence["kind"], fence["file"], fence["body"]
        assert kind in KINDS, kind
        if file:
            target = self.project.folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body, "utf-8")
        elif kind == "console":
            lines = [line.removeprefix("$ ") for line in body.splitlines() if line.startswith("$ ")]
            return "```console\n" + "".join(f"$ {line}\n{self._output(line)}" for line in lines) + "```"
        elif kind == "python":
            exec(compile(body, "guide", "exec"), self.names)
        elif kind == "pgsql":
            self.project.run(*(each.strip() for each in body.split(";\n") if each.strip()))
        elif kind == "pycon":
            self._compare(body)
        return fence[0]

    def _compare(self, body: str) -> None:
        example = doctest.DocTestParser().get_doctest(body, self.names, "guide", "guide", 0)
        flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
        doctest.DocTestRunner(optionflags=flags, verbose=False).run(
            example, out=self.said.append, clear_globs=False
        )
        self.names.update(example.globs)

    def _output(self, line: str) -> str:
        program, *arguments = shlex.split(line)
        if program == "blocks" and not {">", "|"} & {*arguments}:
            text = self.project.blocks(*arguments).text
        else:
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            ran = subprocess.run(
                ["/bin/sh", "-c", line],
                cwd=self.project.folder,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr
            text = ran.stdout
        return transcript.same(text.replace(str(self.project.folder), "/home/ana/shop"))
