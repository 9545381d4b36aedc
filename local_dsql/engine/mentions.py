"""Names in the text of a statement: one that calls a function of a client has a name of the catalog in its text.

It has the name of the function, called as `f(x)` or as `x.f`, or the name of an object that calls a function: a table
with a default or a CHECK, a view and so on (`hidden_calls` of the catalog). PostgreSQL's functions that run a query
given as a value are revoked (`catalog/30_privileges.sql`). So it is enough to compare all words of the text, those in
quotes included, with the names. Where the words of a text do not tell, it is taken to have each name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"[a-z0-9_$]+")
_ESCAPES = "u&"
"""The beginning of a name with Unicode escapes, which hide its letters."""
_LONGEST = 63
"""Bytes of a name; of a longer word PostgreSQL ignores the rest (`NAMEDATALEN`)."""


@lru_cache(maxsize=1024)
def _words(sql: str) -> frozenset[str] | None:
    """Return the words of a text in lower case; None if they do not tell which names it has.

    Only texts in ASCII tell: the bytes of others depend on the client's encoding, and PostgreSQL's folding differs from
    Python's.
    """
    text = sql.lower()
    if not sql.isascii() or _ESCAPES in text:  # some letters of other alphabets have a lower case in ASCII
        return None
    found = frozenset(_WORD.findall(text))
    return None if any(len(word) > _LONGEST for word in found) else found


def first_words(names: Iterable[str]) -> frozenset[str]:
    """Return the first word of each name, which a text in ASCII has if it has the name; empty if a name has none."""
    found = (_WORD.search(name.lower()) for name in names if name.isascii())
    return frozenset(match[0] if match else "" for match in found)


def mentions(sql: str, words: frozenset[str]) -> bool:
    """Return whether a text may have one of the names whose `first_words` are given."""
    if not words:
        return False
    found = _words(sql)
    return found is None or "" in words or not words.isdisjoint(found)
