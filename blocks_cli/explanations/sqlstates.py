"""SQLSTATEs that DSQL, the local DSQL and the migrator answer with.

The names of the conditions are those of PostgreSQL's manual, appendix A, which psycopg has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blocks_cli.explanations.explanation import Explanation, Kind
from blocks_cli.explanations.runtime_errors import classes_of
from dsql_dialect.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLE: dict[str, tuple[str, str]] = {
    "08006": (
        "The connection was lost while a statement ran.",
        "Connect again; look at the data before a write.",
    ),
    "08P01": (
        "A message of the wire protocol is malformed, or DSQL refuses a login: wrong token, no TLS, no SNI, or a "
        "message that is too long.",
        "Read the text. After a refused login sign a new token, and connect by host name with TLS.",
    ),
    "0A000": (
        "The statement is valid in PostgreSQL, and DSQL does not have the feature.",
        "Run `blocks lint` on it: it names the rule and the alternative.",
    ),
    "21000": (
        "A subquery used as a value returned several rows, or one ON CONFLICT statement changed a row twice.",
        "Make the subquery return one row, or remove duplicates from the rows of the INSERT.",
    ),
    "22007": ("A text is no date or time.", "Pass a `datetime`, or correct the text."),
    "22008": ("A date or time is outside of the range of its type.", "Check the value before the statement."),
    "22012": ("An expression divides by zero.", "Use `nullif(divisor, 0)`, or check the value."),
    "22021": (
        "The bytes of a text are not valid in the encoding of the client.",
        "Send text in the encoding that client_encoding names.",
    ),
    "22023": (
        "A parameter of a statement or setting has a value that DSQL does not allow.",
        "Use the value that the message or the rule names.",
    ),
    "22P02": (
        "A text is no value of its type: a number, a UUID.",
        "Check the parameter before the statement.",
    ),
    "22P04": ("A row of COPY has too many or too few columns.", "Correct the line that the message names."),
    "23502": ("A NOT NULL column gets no value.", "Give it a value, or a default."),
    "23503": (
        "A row refers to one that does not exist, or a referred row is deleted.",
        "Write the parent first.",
    ),
    "23505": (
        "A row with this unique key is visible in the snapshot of the transaction.",
        "Answer that it exists, or write `INSERT … ON CONFLICT`. A key that another transaction commits meanwhile is "
        "a conflict (40001) in place of this error.",
    ),
    "23514": ("A row does not satisfy a CHECK constraint.", "Correct the value, or change the constraint."),
    "23P01": ("A row violates an exclusion constraint.", "Correct the value."),
    "25001": (
        "A statement that needs a transaction of its own is inside a transaction block.",
        "Send it in autocommit mode, after COMMIT.",
    ),
    "25006": (
        "A statement would change rows in a transaction that may only read.",
        "Open a transaction that writes, or remove `read_only`.",
    ),
    "25P01": (
        "COMMIT or SET LOCAL was sent outside of a transaction block; it is a warning.",
        "Send BEGIN first.",
    ),
    "25P02": (
        "A statement of the transaction has failed; until ROLLBACK every other one is refused.",
        "Look at the first error; send ROLLBACK and begin again.",
    ),
    "26000": (
        "The prepared statement does not exist in this session; a proxy or pool may have changed the session.",
        "Prepare it again, or turn off prepared statements in the driver.",
    ),
    "28000": ("The login is refused.", "Sign in with a role that exists and is granted to the IAM role."),
    "2D000": (
        "COMMIT or ROLLBACK stands where no transaction may end.",
        "Move it out of the function; run the CALL of a procedure that has it outside of a transaction block, and not "
        "in a pipeline with other statements.",
    ),
    "2BP01": (
        "An object cannot be dropped, because others depend on it.",
        "Drop or revoke what the DETAIL of the error names first.",
    ),
    "34000": ("The portal or cursor does not exist in this transaction.", "Bind it in this transaction."),
    "38000": (
        "The predicate of an injected fault has raised an error.",
        "Correct the function given to `inject`.",
    ),
    "3D000": ("The database of the login does not exist.", "Connect to the database `postgres`."),
    "40001": (
        "The transaction lost a conflict; nothing of it is committed. The text ends with OC000 or OC001.",
        "Run the whole transaction again: `retry_on_conflict=True` does that.",
    ),
    "40P01": (
        "PostgreSQL found a deadlock. DSQL has no lock waits, so a client of DSQL does not see it.",
        "Run the transaction again; report it if the local DSQL sends it.",
    ),
    "42501": (
        "The database role lacks a privilege on the object.",
        "Give the function another access level with `grant_connect(access=…)`, and deploy.",
    ),
    "42601": ("The parser cannot read the statement.", "Correct it at the token that the message names."),
    "42602": ("A name is not valid, or is reserved.", "Choose the name that the message allows."),
    "42703": ("The column does not exist.", "Correct the name, or apply the migration that adds it."),
    "42704": (
        "An object, type, role or parameter does not exist.",
        "Correct the name, or create the object.",
    ),
    "42710": ("An object with this name exists.", "Choose another name, or drop the object first."),
    "42723": (
        "A function with this name and these argument types exists.",
        "Use CREATE OR REPLACE FUNCTION.",
    ),
    "42804": ("An expression has another type than its place needs.", "Cast it, as in `{value}::text`."),
    "42809": ("An object is of another kind than the statement needs.", "Use the statement for its kind."),
    "42846": ("A value cannot be cast to the type.", "Cast it in two steps, or pass another type."),
    "42883": (
        "No function or operator has this name and these argument types.",
        "Correct the name or cast the arguments; DSQL has fewer functions than PostgreSQL.",
    ),
    "42939": ("The name is reserved for the database.", "Choose another name."),
    "42P01": ("The table does not exist.", "Correct the name, or apply the migration that creates it."),
    "42P03": ("A cursor with this name exists.", "Close it, or choose another name."),
    "42P06": ("A schema with this name exists.", "Choose another name, or use IF NOT EXISTS."),
    "42P07": (
        "A table, view, index or sequence with this name exists.",
        "Choose another name, or use IF NOT EXISTS.",
    ),
    "42P10": (
        "ON CONFLICT names columns that have no unique index.",
        "Name the columns of a unique index or of the primary key.",
    ),
    "42P18": (
        "The type of a parameter cannot be found from the statement.",
        "Cast it, as in `{name}::text`.",
    ),
    "53300": (
        "The cluster has too many open connections.",
        "Close those that are not needed, or share a pool.",
    ),
    "53400": ("Connections are opened faster than the quota allows.", "Open fewer, or keep them open."),
    "54000": (
        "A limit of DSQL is exceeded: rows, bytes or age of a transaction, a value, a row or a key.",
        "Read which limit the text names; docs/limits.md has all of them.",
    ),
    "54001": ("The statement is too complex to be parsed.", "Use parameters, or several statements."),
    "54011": (
        "An index or a table has too many columns.",
        "Leave out columns; docs/limits.md has the number.",
    ),
    "55000": ("The object is not in a state for this.", "Read the text; bind a spent portal again."),
    "55P03": (
        "A lock is not free. DSQL has no lock waits; the local PostgreSQL has.",
        "Run the statement again.",
    ),
    "57014": ("The statement was cancelled, or the login took too long.", "Send it again, with more time."),
    "57P01": ("The server ends the connection because it stops.", "Connect again."),
    "XX000": (
        "An internal error, or `server unavailable`: a part of the cluster does not answer.",
        "Run the whole transaction again after `server unavailable`; report any other text.",
    ),
}
_SHOWN = 8
"""Rules that an entry names."""

SQLSTATE = re.compile(r"[0-9A-Z]{5}")


def sqlstates() -> list[Explanation]:
    """Return the explanations of the SQLSTATEs with an entry of their own."""
    return [_explanation(code, cause, remedy) for code, (cause, remedy) in sorted(_TABLE.items())]


def _explanation(code: str, cause: str, remedy: str) -> Explanation:
    return Explanation(
        code=code,
        kind=Kind.SQLSTATE,
        meaning=f"`{condition(code)}`, class {code[:2]}.",
        cause=cause,
        remedy=remedy,
        facts=tuple(_facts(code)),
    )


def _facts(code: str) -> Iterator[tuple[str, str]]:
    yield "runtime", ", ".join(f"`{name}`" for name in classes_of(code))
    named = sorted(rule.id for rule in RULES.values() if rule.sqlstate == code)
    if named:
        more = f" and {len(named) - _SHOWN} others" if len(named) > _SHOWN else ""
        yield "rules", ", ".join(f"`{each}`" for each in named[:_SHOWN]) + more


def condition(code: str) -> str:
    """Return PostgreSQL's name of a SQLSTATE.

    Raises:
        KeyError: PostgreSQL has no such SQLSTATE.
    """
    import psycopg.errors

    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", psycopg.errors.lookup(code).__name__).lower()


def other(code: str) -> Explanation | None:
    """Return the explanation of a SQLSTATE of PostgreSQL without an entry of its own, or None."""
    try:
        name = condition(code)
    except KeyError:
        return None
    return Explanation(
        code=code,
        kind=Kind.SQLSTATE,
        meaning=f"`{name}`, class {code[:2]}.",
        cause="PostgreSQL's own condition: no rule of the dialect and no limit of DSQL uses it.",
        remedy="Read the server's text, and PostgreSQL's manual, appendix A.",
        facts=tuple(_facts(code)),
        anchor="other-sqlstates",
    )
