"""A body as the local database stores it: with calls of its functions where dynamic SQL, handlers and commits are.

PostgreSQL cannot ask the proxy about the value of EXECUTE, and a handler would catch a conflict that DSQL reports at
COMMIT only. Everything that is put in stands between two comments, on the line that is there, so that it can be taken
out again to the byte, and lines in messages stay true.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from dsql_dialect.libpg_query import SqlSyntaxError
from dsql_dialect.plpgsql.fragments import FragmentKind, PlpgsqlSyntaxError
from dsql_dialect.plpgsql.reader import read

if TYPE_CHECKING:
    from dsql_dialect.plpgsql.fragments import Fragment, Reading

_OPEN, _CLOSE = b"/*local_dsql<*/", b"/*local_dsql>*/"
_GUARD = re.compile(re.escape(_OPEN) + b"(?:(?!" + re.escape(_OPEN) + b").)*?" + re.escape(_CLOSE), re.DOTALL)
MARK = "/*local_dsql"
"""In every body with guards; bodies of clients must not have it."""
SCHEMA = "local_dsql_engine"
_CHECKED = f"{SCHEMA}.checked(("
_OF_PLAIN_SELECT = frozenset(("targetList", "limitOption", "op"))
"""Keys in the parse tree of SELECT with an expression alone."""
_IN_HANDLER = (
    " DECLARE local_dsql_1 pg_catalog.text; local_dsql_2 pg_catalog.text; local_dsql_3 pg_catalog.text;"
    " local_dsql_4 pg_catalog.text; local_dsql_5 pg_catalog.text; BEGIN GET STACKED DIAGNOSTICS"
    " local_dsql_1 = PG_EXCEPTION_DETAIL, local_dsql_2 = SCHEMA_NAME, local_dsql_3 = TABLE_NAME,"
    " local_dsql_4 = CONSTRAINT_NAME, local_dsql_5 = PG_EXCEPTION_CONTEXT;"
    f" IF {SCHEMA}.is_conflict(SQLSTATE, SQLERRM, local_dsql_1, local_dsql_2, local_dsql_3, local_dsql_4, local_dsql_5)"
    " THEN RAISE; END IF; END;"
)


def guarded(text: bytes, reading: Reading) -> bytes:
    """Return a body with its guards."""
    added = [(at, _IN_HANDLER) for at in reading.handlers]
    for each in reading.of(FragmentKind.DYNAMIC):
        added += [(each.start, _CHECKED + _select(each)), (each.end, ")::pg_catalog.text)")]
    parts, last = [], 0
    for at, guard in sorted(added, key=lambda each: each[0]):
        parts += [text[last:at], _OPEN, guard.encode(), _CLOSE]
        last = at
    return b"".join([*parts, text[last:]])


def _select(dynamic: Fragment) -> str:
    """Return the word that makes an operand of the SQL behind EXECUTE: it may have FROM and other clauses."""
    try:
        (raw,) = libpg_query.parse(dynamic.sql)
    except (SqlSyntaxError, ValueError):
        return ""
    select = raw["stmt"].get("SelectStmt", {})
    if select.get("op") != "SETOP_NONE":
        return ""
    targets = select.get("targetList", [])
    is_plain = (
        select.keys() <= _OF_PLAIN_SELECT and len(targets) == 1 and "name" not in targets[0]["ResTarget"]
    )
    return "" if is_plain else dynamic.prefix.decode()


def bare(text: bytes) -> bytes:
    """Return a body without its guards."""
    return _GUARD.sub(b"", text)


def has_all_guards(text: bytes) -> bool:
    """Return whether a body with marks is one with guards, as a dump of the local database has it."""
    plain = bare(text)
    if plain == text or MARK.encode() in plain:
        return False
    try:
        return guarded(plain, read(plain)) == text
    except PlpgsqlSyntaxError:
        return False


def quoted(text: bytes) -> bytes:
    """Return a body as a string that needs no escapes."""
    number = 0
    while (tag := b"$local_dsql_%d$" % number) in text:
        number += 1
    return tag + text + tag
