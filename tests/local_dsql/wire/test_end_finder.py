"""The end of a response is found at its last byte, and not before, however the bytes are cut."""

from __future__ import annotations

import random

import pytest

from local_dsql.wire import messages
from local_dsql.wire.end_finder import EndFinder
from local_dsql.wire.frames import FrameReader
from local_dsql.wire.message_types import FrontendMessage, ObjectKind
from tests.local_dsql.wire.long_answers import COLUMNS, DONE, ENDS, ERROR, ROW, ROWS, End, answer_to_probe

QUERY = messages.query("SELECT 1")
PARSE = messages.frame(FrontendMessage.PARSE, b"\0SELECT 1\0\0\0")
BIND = messages.frame(FrontendMessage.BIND, b"\0\0\0\0\0\0\0\0")
EXECUTE = messages.frame(FrontendMessage.EXECUTE, b"\0\0\0\0\0")
EXTENDED = PARSE + BIND + EXECUTE + messages.SYNC


def follow(finder: EndFinder, pieces: list[bytes]) -> bytes:
    """Feed an answer in pieces, and that to the probe if there is one; return what is passed on."""
    passed, status = b"", b"".join(pieces)[-1:]
    probe = b""
    for piece in pieces:
        assert not finder.status
        passed += finder.feed(piece)
        probe = probe or finder.probe
    if probe:
        for byte in answer_to_probe(probe, status):
            assert not finder.status
            passed += finder.feed(bytes([byte]))
            assert not finder.probe, "one is enough"
    return passed


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("request_", [QUERY, EXTENDED], ids=["simple", "extended"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("before", [b"", messages.BIND_COMPLETE], ids=["described", "bound and described"])
def test_every_end_is_found_however_it_is_cut(before: bytes, request_: bytes, end: End, rows: bytes) -> None:
    answer = before + COLUMNS + rows + end.said + messages.READY[end.status]
    finder = EndFinder()
    for cut in range(max(1, len(answer) - 60), len(answer)):
        finder.begin(request_)
        assert follow(finder, [answer[:cut], answer[cut:]]) == answer
        assert (finder.status, finder.failed) == (end.status, end.failed)


@pytest.mark.parametrize("count", [0, 1, 2, 99, 100, 101])
@pytest.mark.parametrize("status", messages.READY)
def test_the_response_to_a_prepared_query_may_come_in_one_piece(count: int, status: bytes) -> None:
    finder = EndFinder()
    done = messages.command_complete(f"SELECT {count}") + messages.READY[status]
    answer = messages.BIND_COMPLETE + COLUMNS + ROW * count + done
    for _ in range(2):
        finder.begin(BIND + EXECUTE + messages.SYNC)
        assert finder.feed(answer) == answer
        assert (finder.status, finder.failed, finder.parsed) == (status, False, 0)


def test_few_rows_need_no_probe_and_many_need_one() -> None:
    finder = EndFinder()
    for rows, probed in ((ROW * 100, False), (ROWS["many"], True)):
        finder.begin(QUERY)
        finder.feed(COLUMNS + rows)
        assert bool(finder.probe) == probed


@pytest.mark.parametrize("seed", range(10))
def test_bytes_of_any_kind_are_passed_on_as_they_are(seed: int) -> None:
    """A bytea in binary may hold whatever looks like an end, and pieces of the answer to a probe."""
    chance = random.Random(seed)
    finder = EndFinder()
    finder.begin(QUERY)
    piece = COLUMNS + ROWS["many"]
    passed = finder.feed(piece)
    given = piece
    mark = answer_to_probe(finder.probe, messages.IDLE)
    looks = [mark[:n] for n in range(1, len(mark) - 20)] + [
        messages.BIND_COMPLETE + COLUMNS + ROW + DONE + messages.READY[messages.IDLE],
        DONE,
        messages.READY[messages.IDLE],
        ERROR,
        messages.PARSE_COMPLETE[:1],
        b"\0",
    ]
    for _ in range(2000):
        piece = b"".join(chance.choices(looks, k=chance.randint(1, 3)))
        given += piece
        passed += finder.feed(piece)
        assert not finder.status
    assert given.startswith(passed)
    passed += finder.feed(
        DONE
        + messages.READY[messages.IN_TRANSACTION]
        + answer_to_probe(mark_of(mark), messages.IN_TRANSACTION)
    )
    assert passed == given + DONE + messages.READY[messages.IN_TRANSACTION]
    assert (finder.status, finder.failed) == (messages.IN_TRANSACTION, False)


def mark_of(answer: bytes) -> bytes:
    """Return a probe that is answered so."""
    types = FrameReader().feed(answer)[1][1][5:]
    name = messages.cstring("x")
    return (
        messages.frame(FrontendMessage.PARSE, name + b"\0" + types)
        + messages.describe(ObjectKind.STATEMENT, name[:-1])
        + messages.close(ObjectKind.STATEMENT, name[:-1])
        + messages.SYNC
    )


def test_what_is_parsed_after_many_rows_is_counted() -> None:
    parsed = messages.PARSE_COMPLETE
    answer = (
        parsed + messages.BIND_COMPLETE + ROWS["many"] + DONE + parsed + ERROR + messages.READY[messages.IDLE]
    )
    finder = EndFinder()
    finder.begin(PARSE + BIND + EXECUTE + PARSE + PARSE + messages.SYNC)
    assert follow(finder, [answer]) == answer
    assert (finder.parsed, finder.failed) == (2, True)


@pytest.mark.parametrize("rows", [b"", ROW], ids=["at once", "after a row"])
def test_an_error_is_replaced_however_it_is_cut(rows: bytes) -> None:
    said = messages.PARSE_COMPLETE + COLUMNS + rows
    answer, other = (
        said + ERROR + messages.READY[messages.FAILED],
        messages.error({"C": "40001", "M": "other"}),
    )
    finder = EndFinder(lambda frame: other if frame == ERROR else frame)
    for cut in range(1, len(answer)):
        finder.begin(EXTENDED)
        assert follow(finder, [answer[:cut], answer[cut:]]) == said + other + messages.READY[messages.FAILED]
        assert (finder.status, finder.failed, finder.parsed) == (messages.FAILED, True, 1)
