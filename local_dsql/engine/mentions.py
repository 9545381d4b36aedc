"""Names in the text of a statement: it calls a function of a client only if it names that, or an object that calls it.

A function may be called as `f(x)`, as `x.f`, or by a default, a CHECK, a view and so on (`hidden_calls` of the
catalog). PostgreSQL's functions that run a query given as a value are revoked (`catalog/30_privileges.sql`). So it is
enough to compare all words of the text, those in quotes included, with the names.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"[\w$]+")
_ESCAPES = "u&"
"""The beginning of a name with Unicode escapes, which hide its letters."""
_LONGEST = 63
"""Bytes of a name; of a longer word PostgreSQL ignores the rest (`NAMEDATALEN`)."""


@lru_cache(maxsize=1024)
def _words(sql: str) -> frozenset[str] | None:
    """Return the words of a text as `folded` returns those of names; None if names may be written in another way."""
    text = sql.lower()
    found = frozenset(_WORD.findall(text))
    hidden = _ESCAPES in text or any(
        len(word.encode("utf-8", "surrogateescape")) > _LONGEST for word in found
    )
    return None if hidden else found


def folded(names: Iterable[str]) -> frozenset[str]:
    """Return of each name the word that every text with the name has: its first one, empty if it has none."""
    return frozenset(found[0] if (found := _WORD.search(name.lower())) else "" for name in names)


def mentions(sql: str, names: frozenset[str]) -> bool:
    """Return whether a text may have one of the names, which are `folded`."""
    if not names:
        return False
    found = _words(sql)
    return found is None or "" in names or not names.isdisjoint(found)
