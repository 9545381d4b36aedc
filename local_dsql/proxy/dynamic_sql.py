"""SQL that bodies in PL/pgSQL run with EXECUTE: the database asks whether the dialect accepts it.

`local_dsql_engine.checked` (`catalog/72_plpgsql.sql`) writes the SQL into a file and its process number into a pipe.
Both are in the folder of PostgreSQL's socket, which no other account can enter.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING

from dsql_dialect import parse
from dsql_dialect.rewrite import without_lock_waits
from dsql_dialect.rules.routine_bodies import STATEMENT, may_be_in_a_body

if TYPE_CHECKING:
    from pathlib import Path

    from dsql_dialect import Profile

_log = logging.getLogger(__name__)

_PIPE = "execute"
_READ = 65536
_OF_TRANSACTIONS = "EXECUTE of transaction commands is not implemented"
"""PostgreSQL's own text."""


class DynamicSql:
    """Answers the questions of one PostgreSQL, from `start` to `close`."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self._folder = folder
        self._profile = profile
        self._pipe: int | None = None
        self._unread = b""

    def start(self) -> None:
        """Make the pipe and read it on the running event loop.

        Raises:
            OSError: the folder cannot be written.
        """
        path = self._folder / _PIPE
        path.unlink(missing_ok=True)
        os.mkfifo(path, mode=0o600)
        owner = self._folder.stat()
        if owner.st_uid != os.geteuid():  # PostgreSQL runs as another user
            os.chown(path, owner.st_uid, owner.st_gid)
        # Open for writing, too: the end of a question is not the end of the pipe.
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._pipe, self._answer_all)

    def close(self) -> None:
        """Read no more questions."""
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = None

    def _answer_all(self) -> None:
        if self._pipe is None:
            return
        *lines, self._unread = (self._unread + os.read(self._pipe, _READ)).split(b"\n")
        for line in lines:
            process, _, question = line.decode("ascii", "replace").partition(" ")
            if process.isdigit():
                try:
                    self._answer(int(process), question)
                except (
                    OSError,
                    ValueError,
                ):  # the backend has ended; if not, it reports that there is no answer
                    _log.warning("a question about EXECUTE cannot be answered", exc_info=True)

    def _answer(self, process: int, question: str) -> None:
        """Write the answer to a question in one step: the database may read the file at any moment."""
        file = self._folder / f"{_PIPE}_{process}"
        sql = bytes.fromhex(file.with_suffix(".sql").read_text()).decode()
        new = file.with_suffix(".new")
        new.write_text(question + json.dumps(judged(sql, self._profile)), encoding="utf-8")
        new.chmod(0o644)  # PostgreSQL may run as another user; the folder is closed to all others
        new.replace(file.with_suffix(".answer"))


def judged(sql: str, profile: Profile) -> dict[str, str]:
    """Return the SQL to run, as `query`, or the refusal: `sqlstate`, `message` and `hint`."""
    statements = parse(sql, profile).statements
    for statement in statements:
        if (finding := statement.finding) is not None:
            return {"sqlstate": finding.sqlstate, "message": finding.message, "hint": finding.remedy}
        if not may_be_in_a_body(statement):
            message = (
                _OF_TRANSACTIONS if statement.transaction else STATEMENT.text.format(node=statement.node)
            )
            return {"sqlstate": STATEMENT.sqlstate, "message": message, "hint": STATEMENT.remedy}
    waits = any(each.traits.skip_locked or each.traits.nowait for each in statements)
    return {"query": without_lock_waits(sql) if waits else sql}
