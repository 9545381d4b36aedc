"""What the front knows of a text before it runs: cached by text and profile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from dsql_dialect import Kind, Profile, Statement, parse
from dsql_dialect.parser import KEPT_UP_TO

if TYPE_CHECKING:
    from dsql_dialect import Script


@dataclass(frozen=True, slots=True)
class Planned:
    """One text: its statements, and whether it may pass straight through.

    `plain` says that the text is at most one statement, that DSQL accepts it, and that it neither locks, changes nor
    controls anything: outside of a conflict nothing needs to be done for it but to pass it on.
    """

    script: Script
    plain: bool

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The statements of the text, in order."""
        return self.script.statements

    @property
    def outside_transaction(self) -> bool:
        """Whether it can only run outside of a transaction block."""
        return any(statement.outside_transaction for statement in self.script.statements)

    @property
    def answered_here(self) -> bool:
        """Whether PostgreSQL must not see it: it is refused, or the front itself carries it out."""
        only = self.only
        return only is not None and (bool(only.findings) or bool(only.iam or only.async_job))

    @property
    def only(self) -> Statement | None:
        """The statement of a prepared statement, None for an empty text."""
        return self.script.statements[0] if self.script.statements else None


def plan(sql: bytes, profile: Profile, codec: str) -> Planned:
    """Return what there is to know of a text; bytes that are not in the encoding become a refusal by the parser."""
    if len(sql) > KEPT_UP_TO:
        return _plan(sql, profile, codec)
    return _plan_kept(sql, profile, codec)


def _plan(sql: bytes, profile: Profile, codec: str) -> Planned:
    script = parse(sql.decode(codec, "surrogateescape"), profile)
    plain = len(script.statements) <= 1 and all(map(is_plain, script.statements))
    return Planned(script, plain)


_plan_kept = lru_cache(maxsize=8192)(_plan)


def is_plain(statement: Statement) -> bool:
    """Tell whether a statement only reads, and takes no lock that another transaction could feel."""
    if statement.findings or statement.locks or statement.sets_parameters:
        return False
    if statement.node == "VariableShow":
        return not is_version(statement)
    return statement.kind is Kind.QUERY or statement.kind is Kind.CALL


def is_answered_here(statement: Statement) -> bool:
    """Tell whether the front carries a statement out, in place of PostgreSQL or around it."""
    return bool(statement.iam or statement.async_job or is_version(statement))


def is_version(statement: Statement) -> bool:
    """Tell whether a statement asks for a parameter that PostgreSQL would answer with its own version."""
    return statement.shown_parameter in SHOWN


SERVER_VERSION = "16.15"
"""What a cluster reports (recorded 2026-09-16, eu-central-1); it moves with patching."""

SHOWN = {"server_version": SERVER_VERSION, "server_version_num": "160015"}
"""Parameters that SHOW must answer as DSQL does although PostgreSQL fixes them at compile time."""
