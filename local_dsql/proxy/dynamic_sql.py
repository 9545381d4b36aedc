"""SQL that bodies in PL/pgSQL run with EXECUTE: the database asks whether the dialect accepts it.

`local_dsql_engine.checked` (`catalog/72_plpgsql.sql`) writes the SQL into a file and its process number into a pipe.
Both are in the folder of PostgreSQL's socket, which no other account can enter. A long text is parsed by a worker
process, as one of a client is, so that other sessions go on.
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
from local_dsql.parsing.long_texts import TooComplex, is_long
from local_dsql.proxy.errors import TOO_COMPLEX

if TYPE_CHECKING:
    from pathlib import Path

    from dsql_dialect import Profile, Script
    from local_dsql.parsing.long_texts import LongTexts

_log = logging.getLogger(__name__)

_PIPE = "execute"
_READ = 65536
_OF_TRANSACTIONS = "EXECUTE of transaction commands is not implemented"
"""PostgreSQL's own text."""
_UNANSWERED = (OSError, ValueError)
"""Errors of a backend that has ended; one that has not reports that there is no answer."""


class DynamicSql:
    """Answers the questions of one PostgreSQL, from `start` to `close`."""

    def __init__(self, folder: Path, profile: Profile, long_texts: LongTexts) -> None:
        self._folder = folder
        self._profile = profile
        self._long_texts = long_texts
        self._pipe: int | None = None
        self._unread = b""
        self._asked: dict[int, str] = {}
        """The last question of each process."""
        self._parsing: set[asyncio.Task[None]] = set()

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
        for task in self._parsing:
            task.cancel()
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
                except _UNANSWERED:
                    _log.warning("a question about EXECUTE cannot be answered", exc_info=True)

    def _answer(self, process: int, question: str) -> None:
        """Answer a question, at once if the text is short."""
        file = self._file(process, ".sql")
        sql = bytes.fromhex(file.read_text()).decode()
        file.unlink()
        if process not in self._asked:
            self._forget_ended()
        self._asked[process] = question
        if is_long(sql.encode()):
            task = asyncio.get_running_loop().create_task(self._answer_long(process, question, sql))
            self._parsing.add(task)
            task.add_done_callback(self._parsing.discard)
        else:
            self._write(process, question, judged(sql, parse(sql, self._profile)))

    async def _answer_long(self, process: int, question: str, sql: str) -> None:
        try:
            answer = judged(sql, await self._long_texts.parse(sql, self._profile))
        except TooComplex:
            answer = {
                "sqlstate": TOO_COMPLEX.sqlstate,
                "message": TOO_COMPLEX.message,
                "hint": TOO_COMPLEX.hint or "",
            }
        if self._asked.get(process) != question:  # the statement was cancelled, and has asked again
            return
        try:
            self._write(process, question, answer)
        except OSError:
            _log.warning("a question about EXECUTE cannot be answered", exc_info=True)

    def _write(self, process: int, question: str, answer: dict[str, str]) -> None:
        """Write the answer to a question in one step: the database may read the file at any moment."""
        new = self._file(process, ".new")
        new.write_text(question + json.dumps(answer), encoding="utf-8")
        new.chmod(0o644)  # PostgreSQL may run as another user; the folder is closed to all others
        new.replace(self._file(process, ".answer"))

    def _forget_ended(self) -> None:
        """Remove the answers to processes that have ended."""
        for process in list(self._asked):
            if not _is_alive(process):
                del self._asked[process]
                self._file(process, ".answer").unlink(missing_ok=True)

    def _file(self, process: int, suffix: str) -> Path:
        return self._folder / f"{_PIPE}_{process}{suffix}"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def judged(sql: str, script: Script) -> dict[str, str]:
    """Return a refusal, as `sqlstate`, `message` and `hint`; the SQL to run instead, as `query`; or nothing."""
    statements = script.statements
    for statement in statements:
        if (finding := statement.finding) is not None:
            return {"sqlstate": finding.sqlstate, "message": finding.message, "hint": finding.hint}
        if not may_be_in_a_body(statement):
            message = (
                _OF_TRANSACTIONS if statement.transaction else STATEMENT.text.format(node=statement.node)
            )
            return {"sqlstate": STATEMENT.sqlstate, "message": message, "hint": STATEMENT.hint}
    waits = any(each.traits.skip_locked or each.traits.nowait for each in statements)
    return {"query": without_lock_waits(sql)} if waits else {}
