"""What a refusal is made of: the rule as data, the hit of its detector, the finding shown to people."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from dsql_dialect.profiles import first_allowing

if TYPE_CHECKING:
    from datetime import date

    from dsql_dialect.position import Position

Node: TypeAlias = dict[str, Any]
"""A node of libpg_query's JSON parse tree: field name to value."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where a rule applies.

    `at` is a byte offset in the parsed text (None: where the statement starts). For nodes that carry no
    location of their own, `words` name the token after it that is to blame: the first of them that is found.
    With `after_parentheses` it is the token behind the first parentheses after `at`; with `next_token` the
    one behind the word. `values` fill the rule's text, and the token that was found fills `{token}`.
    """

    at: int | None = None
    words: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    after_parentheses: bool = False
    next_token: bool = False


Detector: TypeAlias = Callable[[Node], Iterable[Hit]]


class Scope(enum.Enum):
    """What must be looked at to see that a rule is broken."""

    STATEMENT = "statement"
    TRANSACTION = "transaction"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that DSQL refuses.

    `sentence` says what; `remedy` says the way out, naming the alternative; `text` is DSQL's own message, a
    format string filled by the hit; `source` says who saw the refusal; `lifted` is the day on which DSQL
    began to accept (None: it still refuses). `find` looks at the parse-tree nodes named in `nodes`. `refused`
    and `accepted` are an example and its near miss.
    """

    id: str
    sentence: str
    remedy: str
    sqlstate: str
    text: str
    source: str
    refused: str
    accepted: str
    nodes: tuple[str, ...] = ()
    find: Detector | None = None
    lifted: date | None = None
    scope: Scope = Scope.STATEMENT


@dataclass(frozen=True, slots=True)
class Finding:
    """A refusal at a place: `message` is DSQL's own text, `position` is in the text that was parsed."""

    rule: Rule
    message: str
    position: Position

    @property
    def sqlstate(self) -> str:
        """The SQLSTATE with which DSQL refuses."""
        return self.rule.sqlstate

    @property
    def remedy(self) -> str:
        """The way out; where a later dialect allows the statement, it says since when and which."""
        lifted = self.rule.lifted
        newer = None if lifted is None else first_allowing(lifted)
        if lifted is None or newer is None:
            return self.rule.remedy
        return f"{self.rule.remedy} Allowed since {lifted.isoformat()}: choose dialect {newer.name}."
