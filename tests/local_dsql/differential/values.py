"""Pools of values: few, so that transactions meet, and of many texts for one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    Pool = Callable[[random.Random], str | None]


def one_of(*values: str | None) -> Pool:
    """Return a pool that draws from these."""
    return lambda source: source.choice(values)


def big(source: random.Random) -> str:
    """Return a text of up to 40,000 characters, compressible or not."""
    length = source.choice((0, 10, 3000, 9000, 40_000))
    letters = "ab" if source.random() < 0.5 else "abcdefghijklmnop"
    return "".join(source.choices(letters, k=length))


TYPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "int": ("int", ("1", "2", "3", "4")),
    "bigint": ("bigint", ("1", "9007199254740993", "-9223372036854775808", "9223372036854775807")),
    "smallint": ("smallint", ("1", "-32768", "32767", "0")),
    "numeric": ("numeric", ("1", "1.0", "1.00", "2", "2.0", "3.50", "3.5", "NaN", "0", "0.000")),
    "scaled": ("numeric(9,2)", ("1", "1.004", "2.5", "0.01", "-1")),
    "float": ("double precision", ("0", "-0", "1.5", "NaN", "Infinity", "1e-300", "0.1")),
    "real": ("real", ("0", "-0", "1.1", "-Infinity", "3.4028235e38")),
    "text": ("text", ("a", "A", "", "it's", ")=(", "a, b", 'q"u', "back\\slash", "é")),
    "varchar": ("varchar(5)", ("a", "a ", "abcde", "é", "")),
    "char": ("char(5)", ("a", "a ", "abcde", "b", "")),
    "uuid": (
        "uuid",
        (*(f"00000000-0000-0000-0000-00000000000{n}" for n in "123"), "A0EEBC999C0B4EF8BB6D6BB9BD380A11"),
    ),
    "timestamptz": (
        "timestamptz",
        (
            "2026-01-01 00:00:00+00",
            "2026-01-01 01:00:00+01",
            "2026-06-01 12:00:00+00",
            "2026-06-01 21:00:00+09",
        ),
    ),
    "timestamp": ("timestamp", ("2026-01-01 00:00:00", "2026-06-01 12:00:00.5", "infinity")),
    "date": ("date", ("2026-01-02", "2026-02-01", "infinity", "0044-03-15 BC")),
    "time": ("time", ("00:00", "23:59:59.999999", "24:00")),
    "boolean": ("boolean", ("t", "f", "true")),
    "posint": ("posint", ("1", "2", "3", "-1")),
    "colour": ("colour", ("red", "green", "blue", "grey")),
}
"""Types of keys: how they are declared, and values. `posint` and `colour` are domains, which refuse the last value."""

POOLS: dict[str, Pool] = {
    "id": one_of("1", "2", "3", "4", "5"),
    "newid": one_of("1", "2", "3", "6", "7"),
    "ref": one_of(None, "1", "2", "3", "4", "5"),
    "code": one_of("a", "b", "c", "d"),
    "maybecode": one_of(None, "a", "b", "c", "d"),
    "small": one_of(*map(str, range(10))),
    "group": one_of("0", "1"),
    "amount": one_of("1", "1", "5", "1001"),
    "word": one_of("x", "y", "it's", 'q"u,o', "back\\slash", "", "(a,b)", "null", "é", "tab\there"),
    "email": one_of("a", "A", "b", "B", None),
    "flag": one_of("t", "f"),
    "letter": one_of("x", "y"),
    "odd": one_of("a,b", '"', "(", ")=(", "'", "\\"),
    "maybeodd": one_of("a,b", '"', "(", ")=(", "'", "\\", None),
    "padded": one_of("a", "a ", "bcde", "b"),
    "signed": one_of("1", "2", "3", "4", "-1"),
    "divisor": one_of("0", "1", "1", "1"),
    "zone": one_of("UTC", "Asia/Tokyo", "America/New_York", "Asia/Kolkata"),
    "json": one_of('{"a": [1, 2.50, null]}', '"\\u00e9"', "null", "[]", '{"b":1, "a" : 2}', None),
    "bytes": one_of("\\x00ff5c", "", "\\x27", None),
    "interval": one_of("1 mon -2 days 03:04:05.678", "-1 years", "00:00", None),
    "number": one_of("1", "1.0", "2.50", "NaN", "-0", None),
    "float": one_of("NaN", "Infinity", "-0", "0.1", "1e-300", "1.7976931348623157e308", None),
    "moment": one_of("2026-01-01 00:00:00+00", "2026-06-01 21:00:00+09", None),
    "big": big,
} | {f"key{name}": one_of(*values) for name, (_, values) in TYPES.items()}
