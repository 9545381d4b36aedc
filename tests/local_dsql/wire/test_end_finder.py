"""Where an answer ends: found at its last byte, and nowhere before, however the bytes are cut."""

from __future__ import annotations

import random
import struct

import pytest

from local_dsql.wire import messages
from local_dsql.wire.end_finder import EndFinder

QUERY = messages.query("SELECT 1")
PARSE = messages.frame(b"P", b"\0SELECT 1\0\0\0")
EXECUTE = messages.frame(b"E", b"\0\0\0\0\0") + messages.SYNC
ERROR = messages.error({"S": "ERROR", "V": "ERROR", "C": "22012", "M": "division by zero", "R": "int4div"})
NOTICE = messages.frame(b"N", b"SNOTICE\0VNOTICE\0C00000\0Mhello\0\0")
SUSPENDED = messages.frame(b"s")
DONE = messages.command_complete("SELECT 1")

Row = list[str | None]


def bind(*formats: int) -> bytes:
    """Return a Bind with result formats."""
    return messages.frame(
        b"B", b"\0\0\0\0\0\0" + struct.pack(f"!{1 + len(formats)}H", len(formats), *formats)
    )


def rows(*given: Row) -> bytes:
    return b"".join(map(messages.data_row, given))


LONG = rows(["x" * 1000]) * 9
"""More than what is followed frame by frame."""

PARAMETER = messages.parameter_status("TimeZone", "Z")
COLUMNS = messages.row_description([("n", messages.TEXT_OID)])

ENDS: dict[str, tuple[bytes, bytes, bool, int]] = {
    "complete": (DONE, b"I", False, 0),
    "in a transaction": (DONE, b"T", False, 0),
    "an error": (ERROR, b"I", True, 0),
    "an error in a transaction": (ERROR, b"E", True, 0),
    "suspended": (SUSPENDED, b"T", False, 0),
    "closed": (DONE + messages.CLOSE_COMPLETE * 2, b"I", False, 0),
    "with a notice": (NOTICE + DONE + NOTICE, b"I", False, 0),
    "with a parameter": (DONE + PARAMETER, b"I", False, 0),
    "with an empty parameter": (
        DONE + messages.parameter_status("session_authorization", ""),
        b"I",
        False,
        0,
    ),
    "columns named like an error": (
        DONE
        + messages.row_description([("SERROR", messages.TEXT_OID), ("VERROR", messages.TEXT_OID)])
        + DONE,
        b"I",
        False,
        0,
    ),
    "another result": (DONE + COLUMNS + rows(["1"]) + DONE, b"I", False, 0),
    "DISCARD ALL": (messages.command_complete("DISCARD ALL"), b"I", False, 0),
}
"""What comes after the rows, the status, whether it failed, and how many were parsed."""

REQUESTS = {"simple": QUERY, "extended": PARSE + bind(0) + EXECUTE, "as binary": PARSE + bind(1) + EXECUTE}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize(("after", "status", "failed", "parsed"), ENDS.values(), ids=ENDS)
def test_every_end_is_found_however_it_is_cut(
    request_: bytes, after: bytes, status: bytes, failed: bool, parsed: int
) -> None:
    for body in (b"", rows(["1"]), LONG):
        answer = COLUMNS + body + after + messages.READY[status]
        for cut in range(max(1, len(answer) - 60), len(answer)):
            finder = EndFinder()
            finder.begin(request_)
            assert not finder.feed(answer[:cut])
            assert finder.feed(answer[cut:])
            assert (finder.status, finder.failed) == (status, failed)
            finder.begin(request_)
            assert finder.feed(COLUMNS + DONE + messages.READY[b"I"]), "ready for the next answer"
            assert (finder.status, finder.failed) == (b"I", False)


def test_what_is_parsed_after_long_rows_is_counted() -> None:
    finder = EndFinder()
    finder.begin(PARSE + bind() + messages.frame(b"E", b"\0\0\0\0\0") + PARSE + PARSE + messages.SYNC)
    parsed = messages.PARSE_COMPLETE
    answer = parsed + messages.BIND_COMPLETE + LONG + DONE + parsed + ERROR + messages.READY[b"I"]
    assert finder.feed(answer)
    assert (finder.parsed, finder.failed) == (2, True)


_PIECES = [
    "Z",
    "\4Z",
    "\4",
    "I",
    "T",
    "E",
    "",
    "SERROR",
    "VERROR",
    "ROR",
    "SELECT 1",
    "D",
    "C",
    "s",
    "Z" * 90,
    "E" * 5,
]


def awkward(chance: random.Random) -> list[Row]:
    """Return rows whose values and lengths look like the end of an answer."""
    count = chance.choice([1, 2, 5, 69, 73, 84, 86, 90])
    values = [None, *_PIECES, *(piece + other for piece in _PIECES for other in "ITEZ\4")]
    values += [
        chance.choice("ITEZ") * length for length in (4, 5, 68, 73, 84, 86, 90, 0x5A00, 0x0100, 0x1A00)
    ]
    return [[chance.choice(values) for _ in range(count)] for _ in range(chance.randint(1, 4))]


@pytest.mark.parametrize("seed", range(60))
def test_rows_that_look_like_an_end_are_none(seed: int) -> None:
    """Here a piece ends behind every byte of them."""
    chance = random.Random(seed)
    finder = EndFinder()
    finder.begin(QUERY)
    assert not finder.feed(COLUMNS + LONG)
    for byte in rows(*awkward(chance))[:60_000]:
        assert not finder.feed(bytes([byte]))
    assert not finder.failed
    assert finder.feed(DONE + messages.READY[b"I"])


def test_90_columns_of_which_the_first_is_as_long_as_a_status() -> None:
    finder = EndFinder()
    finder.begin(QUERY)
    row = rows(["INNER"] * 90)
    assert not finder.feed(LONG + row[:12])
    assert not finder.feed(row[12:])
    assert finder.feed(DONE + messages.READY[b"I"])
