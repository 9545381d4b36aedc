"""SQL that bodies in PL/pgSQL run with EXECUTE: the database asks whether the dialect accepts it.

`local_dsql_engine.checked` (`catalog/72_plpgsql.sql`) writes its process number and the SQL into a pipe, or a long SQL
into a file. Both are in the folder of PostgreSQL's socket, which no other account can enter. A long text is parsed by a
worker process, as one of a client is, so that other sessions go on.

An answer depends on the SQL alone. For one that is asked again the answer is left in a file, and the database asks no
more.
"""

from __future__ import annotations

import asyncio
import hashlib
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
_IN_PLACE = 1000
"""Bytes of the longest answer that is written in place."""
VERDICT = "verdict_"
_MOST_VERDICTS = 500
_READ = 65536
_OF_TRANSACTIONS = "EXECUTE of transaction commands is not implemented"
"""PostgreSQL's own text."""
_UNANSWERED = (OSError, ValueError)
"""Errors of a backend that has ended; one that has not reports that there is no answer."""


class DynamicSql:
    """Answers the questions of one PostgreSQL, from `start` to `close`.

    `most_verdicts` is the number of answers in files, and of the last texts that are known, to find one that is asked
    again: texts that alternate are all in files, or, if they are more, none is.
    """

    def __init__(
        self, folder: Path, profile: Profile, long_texts: LongTexts, most_verdicts: int = _MOST_VERDICTS
    ) -> None:
        self._folder = folder
        self._profile = profile
        self._long_texts = long_texts
        self._most_verdicts = most_verdicts
        self._pipe: int | None = None
        self._unread = b""
        self._asked: dict[int, str] = {}
        """The last question of each process."""
        self._answers: dict[int, int] = {}
        """The open file of the answers to each process."""
        self._parsing: set[asyncio.Task[None]] = set()
        self._heard: dict[str, None] = {}
        self._verdicts: dict[str, None] = {}

    def start(self) -> None:
        """Make the pipe and read it on the running event loop.

        Raises:
            OSError: the folder cannot be written.
        """
        for left in self._folder.glob(VERDICT + "*"):  # by another dialect, perhaps
            left.unlink(missing_ok=True)
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
        for process in list(self._answers):
            self._close_answers(process)
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = None

    def _answer_all(self) -> None:
        if self._pipe is None:
            return
        *lines, self._unread = (self._unread + os.read(self._pipe, _READ)).split(b"\n")
        for line in lines:
            process, _, asked = line.decode("ascii", "replace").partition(" ")
            if process.isdigit():
                try:
                    self._answer(int(process), *asked.split(" "))
                except _UNANSWERED:
                    _log.warning("a question about EXECUTE cannot be answered", exc_info=True)

    def _answer(self, process: int, question: str, text: str | None = None) -> None:
        """Answer a question, at once if the text is short; without a text it is in a file."""
        if text is None:
            file = self._file(process, ".sql")
            text = file.read_text()
            file.unlink()
        sql = bytes.fromhex(text).decode()
        if process not in self._asked:
            self._forget_ended()
        self._asked[process] = question
        if is_long(sql.encode()):
            task = asyncio.get_running_loop().create_task(self._answer_long(process, question, sql))
            self._parsing.add(task)
            task.add_done_callback(self._parsing.discard)
        else:
            answer = judged(sql, parse(sql, self._profile))
            self._write(process, question, answer)
            self._keep(sql, answer)

    async def _answer_long(self, process: int, question: str, sql: str) -> None:
        try:
            answer = judged(sql, await self._long_texts.parse(sql, self._profile))
            self._keep(sql, answer)
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
        """Write the answer to a question, in place if it is short: that takes a tenth of the time of a new file.

        The database may read the file at any moment, and reads the question first: it is written last. All bytes are
        ASCII, and the file keeps its length.
        """
        path, head, body = self._file(process, ".answer"), question.encode(), json.dumps(answer).encode()
        file = self._answers.get(process)
        if len(body) > _IN_PLACE:
            self._close_answers(process)
            self._replace(path, head + body)
            return
        if file is None:
            self._replace(path, b" " * (len(head) + _IN_PLACE))
            file = self._answers[process] = os.open(path, os.O_WRONLY)
        os.pwrite(file, body.ljust(_IN_PLACE), len(head))
        os.pwrite(file, head, 0)

    def _close_answers(self, process: int) -> None:
        if (file := self._answers.pop(process, None)) is not None:
            os.close(file)

    def _keep(self, sql: str, answer: dict[str, str]) -> None:
        """Leave the answer to a text in a file if the text has been asked before."""
        digest = hashlib.sha256(sql.encode()).hexdigest()
        if digest not in self._heard:
            self._heard[digest] = None
            if len(self._heard) > self._most_verdicts:
                del self._heard[next(iter(self._heard))]
        elif digest not in self._verdicts:
            self._verdicts[digest] = None
            self._replace(self._folder / f"{VERDICT}{digest}", json.dumps(answer).encode())
            if len(self._verdicts) > self._most_verdicts:
                oldest = next(iter(self._verdicts))
                del self._verdicts[oldest]
                (self._folder / f"{VERDICT}{oldest}").unlink(missing_ok=True)

    def _replace(self, path: Path, data: bytes) -> None:
        """Write a file in one step: the database may read it at any moment."""
        new = self._folder / f"{_PIPE}.new"
        new.write_bytes(data)
        new.chmod(0o644)  # PostgreSQL may run as another user; the folder is closed to all others
        new.replace(path)

    def _forget_ended(self) -> None:
        """Remove the answers to processes that have ended."""
        for process in list(self._asked):
            if not _is_alive(process):
                del self._asked[process]
                self._close_answers(process)
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
