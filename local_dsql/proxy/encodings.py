"""Client encodings of PostgreSQL and Python's names for them."""

from __future__ import annotations

import codecs
import re

UTF8 = "utf-8"

_LATIN_PARTS = (1, 2, 3, 4, 9, 10, 13, 14, 15, 16)
_LENGTHS = ((0xF8, 1), (0xF0, 4), (0xE0, 3), (0xC0, 2), (0, 1))
"""Lowest first byte and number of bytes of a UTF-8 character."""

_CODECS = {
    "SQL_ASCII": UTF8,
    **{f"LATIN{number}": f"iso8859-{part}" for number, part in enumerate(_LATIN_PARTS, 1)},
    "EUC_CN": "gb2312",
    "EUC_JIS_2004": "euc_jis_2004",
    "EUC_JP": "euc_jp",
    "EUC_KR": "euc_kr",
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    "SHIFT_JIS_2004": "shift_jis_2004",
    "SJIS": "cp932",
    "UHC": "cp949",
    "WIN866": "cp866",
    "WIN874": "cp874",
}


def codec(name: str) -> str:
    """Return Python's name of an encoding of PostgreSQL, UTF-8 if it has none."""
    found = _CODECS.get(name) or re.sub(r"^WIN(\d+)$", r"cp\1", name)
    try:
        return codecs.lookup(found.replace("ISO_8859_", "iso8859-")).name
    except LookupError:
        return UTF8


def undecodable(data: bytes, codec: str) -> str | None:
    """Return the bytes of the first invalid character, as PostgreSQL prints them; None if all are valid."""
    if data.isascii():
        return None
    try:
        data.decode(codec)
    except UnicodeDecodeError as error:
        first = data[error.start] if codec == UTF8 else 0
        length = next(length for least, length in _LENGTHS if first >= least)
        return " ".join(f"0x{byte:02x}" for byte in data[error.start : error.start + length])
    return None
