"""Long texts are parsed by processes of their own, with the same results."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dsql_dialect import parse, profile
from local_dsql.parsing import long_texts
from local_dsql.parsing.long_texts import LongTexts, TooComplex, is_long

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DIALECT = profile("2026-09")
TEXTS = {
    "rows": "INSERT INTO t VALUES " + ",".join(["(1, 'ü')"] * 2000),
    "statements": "SELECT 1; CREATE TABLE t (a inet);" * 200,
    "no SQL": "SELEC " + "1+" * 5000,
    "an encoding error": "SELECT '\udcff'" + " " * 9000,
    "operators": "SELECT 1 " + "+-" * 1000 + "1",
}
SLOW = "SELECT 1 " + "+-" * 20_000 + "1"


def run(work: Callable[[LongTexts], Awaitable[None]]) -> None:
    async def whole() -> None:
        parser = LongTexts()
        try:
            await work(parser)
        finally:
            await parser.close()

    asyncio.run(whole())


def test_scripts_are_those_of_the_parser() -> None:
    async def work(parser: LongTexts) -> None:
        for _ in range(2):
            for name, text in TEXTS.items():
                assert await parser.parse(text, DIALECT) == parse(text, DIALECT), name

    run(work)


def test_texts_at_the_same_time() -> None:
    async def work(parser: LongTexts) -> None:
        texts = [f"SELECT {number}" + " " * 9000 for number in range(10)]
        scripts = await asyncio.gather(*(parser.parse(text, DIALECT) for text in texts))
        assert [script.statements[0].text for script in scripts] == [text.rstrip() for text in texts]

    run(work)


def test_a_text_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(parser: LongTexts) -> None:
        assert (await parser.parse(TEXTS["rows"], DIALECT)).statements
        with monkeypatch.context() as patched:
            patched.setattr(long_texts, "_PATIENCE", 0.05)
            with pytest.raises(TooComplex):
                await parser.parse(SLOW, DIALECT)
        assert (await parser.parse(TEXTS["statements"], DIALECT)).statements

    run(work)


def test_a_process_that_is_killed() -> None:
    async def work(parser: LongTexts) -> None:
        parsing = asyncio.ensure_future(parser.parse(SLOW, DIALECT))
        while not (parser.processes or parsing.done()):
            await asyncio.sleep(0.01)
        for pid in parser.processes:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(TooComplex):
            await parsing
        assert (await parser.parse(TEXTS["rows"], DIALECT)).statements

    run(work)


def test_a_process_ends_with_its_server() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "local_dsql.parsing.worker"], stdin=subprocess.DEVNULL, check=True, timeout=30
    )
    assert ended.returncode == 0


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"SELECT 1", False),
        (b"SELECT 1" + b" " * 8000, False),
        (b"SELECT 1" + b" " * 9000, True),
        (b"SELECT 1 " + b"+-" * 600, True),
        (b"SELECT 1 " + b"+-" * 100, False),
    ],
)
def test_long(message: bytes, expected: bool) -> None:
    assert is_long(message) == expected
