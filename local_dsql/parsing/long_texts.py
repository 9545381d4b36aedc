"""Long texts: they are parsed by worker processes while the session waits and all others go on.

PostgreSQL's parser takes time that grows with the square of the length for some texts (many operators, nested
brackets), and converting its tree takes the interpreter's lock. So a text that may take more than some milliseconds is
not parsed in the server's process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from asyncio.subprocess import PIPE
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from dsql_dialect import Profile, Script

_LONG = 8192
"""Bytes of a message from which on its text is long."""
_SHORT = 1024
"""Bytes of a message up to which its text is not long, whatever it has."""
_RUN = re.compile(rb"[-~!@#^&|`?+*/%<>=]{128}")
"""PostgreSQL's scanner reads a run of operator characters again for each operator in it."""

_WORKERS = 2
_PATIENCE = 30.0
"""Seconds within which a text must have been parsed."""
_KEPT, _KEPT_BYTES = 64, 65_536
"""Number and largest size of texts whose scripts are kept."""


class TooComplex(Exception):
    """A text takes too much time or memory to parse."""


def is_long(message: bytes) -> bool:
    """Return whether the text in a message is to be parsed here."""
    return len(message) > _LONG or (len(message) > _SHORT and _RUN.search(message) is not None)


class LongTexts:
    """Parses long texts in up to two processes, which are started when they are needed."""

    def __init__(self) -> None:
        self._idle: list[Process] = []
        self._all: set[Process] = set()
        self._ready = asyncio.Semaphore(_WORKERS)
        self._kept: OrderedDict[tuple[str, str], Script] = OrderedDict()

    @property
    def processes(self) -> list[int]:
        """Process numbers of the workers."""
        return [process.pid for process in self._all]

    async def parse(self, text: str, profile: Profile) -> Script:
        """Return the script of a text.

        Raises:
            TooComplex: it takes longer than 30 s, or the process has ended.
        """
        key = text, profile.name
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        async with self._ready:
            script = await self._ask(key)
        if len(text) <= _KEPT_BYTES:
            self._kept[key] = script
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return script

    async def _ask(self, key: tuple[str, str]) -> Script:
        from local_dsql.parsing.packets import exchange  # it loads pickle, which most servers never need

        process = self._idle.pop() if self._idle else await self._start()
        try:
            async with asyncio.timeout(_PATIENCE):
                script: Script = await exchange(process, key)
        except (
            BaseException
        ) as error:  # a cancellation, too: its answer would be taken for that of the next request
            self._all.discard(process)
            await _end(process)
            if isinstance(error, (TimeoutError, OSError, asyncio.IncompleteReadError)):
                raise TooComplex from error
            raise
        self._idle.append(process)
        return script

    async def _start(self) -> Process:
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "local_dsql.parsing.worker",
            stdin=PIPE,
            stdout=PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        self._all.add(process)
        return process

    async def close(self) -> None:
        """End the processes."""
        self._idle.clear()
        for process in list(self._all):
            self._all.discard(process)
            await _end(process)


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
