"""Parts of a refusal: the rule as data, the hit of its detector, and the finding shown to a reader."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from blocks_runtime.contract import explain_command
from dsql_dialect.profiles import way_out

if TYPE_CHECKING:
    from datetime import date

    from dsql_dialect.position import Position
    from dsql_dialect.profiles import Profile

Node: TypeAlias = dict[str, Any]
"""A node of libpg_query's JSON parse tree: field name to value."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where a rule applies.

    `at` is a byte offset in the parsed text (None: the start of the statement). For nodes that carry no location of
    their own, `words` name the token to blame: the first of them that is found behind `at`. With `after_parentheses`
    it is the token behind the first parentheses after `at`; with `next_token` the one behind the word. `values` fill
    the rule's text, and the token that was found fills `{token}`.
    """

    at: int | None = None
    words: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    after_parentheses: bool = False
    next_token: bool = False


Detector: TypeAlias = Callable[[Node], Iterable[Hit]]


class Scope(enum.Enum):
    """The text that has to be read in order to apply a rule."""

    STATEMENT = "statement"
    TRANSACTION = "transaction"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewording:
    """An answer of DSQL that takes the place of an older one: its SQLSTATE, text and DETAIL, the day, and the source.

    The day is the first on which the answer was seen, or one before the release that knows it.
    """

    since: date
    text: str
    source: str
    sqlstate: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One construct of SQL that DSQL refuses.

    `title` names the fault, `remedy` the alternative; `text` is DSQL's own message, a format string filled by the hit;
    `source` cites an observation of the refusal; `lifted` is the day since which DSQL accepts the construct (None: it
    still refuses), `since` the first day on which the refusal was seen, or of what it is about (None: every dialect has
    it), and `reworded` a later answer. `find` looks at the parse-tree nodes named in `nodes`. `refused` and `accepted`
    are an example and its near miss. Of several refusals of a statement DSQL answers with that of the lowest
    `precedence`, and among these with the first in the text. `remedy_in_migration` is given where the migrator refuses
    what `remedy` advises. `in_body` is true for what no node shows, and the reader of PL/pgSQL bodies finds.
    """

    id: str
    title: str
    remedy: str
    sqlstate: str
    text: str
    source: str
    refused: str
    accepted: str
    nodes: tuple[str, ...] = ()
    find: Detector | None = None
    lifted: date | None = None
    since: date | None = None
    reworded: Rewording | None = None
    scope: Scope = Scope.STATEMENT
    precedence: int = 0
    remedy_in_migration: str = ""
    in_body: bool = False

    @property
    def hint(self) -> str:
        """The remedy, and the command that explains the rule; the local DSQL sends it in the HINT field."""
        return f"{self.remedy} {self.explanation}"

    @property
    def explanation(self) -> str:
        """The command that explains the rule, as a sentence."""
        return f"Explained by `{explain_command(self.id)}`."

    def refuses(self, profile: Profile) -> bool:
        """Return whether the construct is refused in a dialect."""
        return not profile.lifts(self.lifted) and (self.since is None or self.since <= profile.as_of)

    def later_answer(self, profile: Profile) -> Rewording | None:
        """Return the answer that a dialect has in place of the rule's first one, or None."""
        later = self.reworded
        return later if later is not None and later.since <= profile.as_of else None


@dataclass(frozen=True, slots=True)
class Finding:
    """A refusal at a place: `message` is DSQL's own text, `position` is in the text that was parsed.

    `later_answer` is set where the dialect has another answer than the rule's first one.
    """

    rule: Rule
    message: str
    position: Position
    later_answer: Rewording | None = None

    @property
    def sqlstate(self) -> str:
        """The SQLSTATE with which DSQL refuses."""
        return self.rule.sqlstate if self.later_answer is None else self.later_answer.sqlstate

    @property
    def detail(self) -> str:
        """The DETAIL of the refusal, or an empty text."""
        return "" if self.later_answer is None else self.later_answer.detail

    @property
    def remedy(self) -> str:
        """The alternative; where a later dialect allows the statement, also its name and since when it does."""
        return self._dated(self.rule.remedy)

    @property
    def hint(self) -> str:
        """The remedy, and the command that explains the rule; the local DSQL sends it in the HINT field."""
        return f"{self.remedy} {self.rule.explanation}"

    @property
    def remedy_in_migration(self) -> str:
        """The alternative in a file that the migrator runs."""
        return self._dated(self.rule.remedy_in_migration or self.rule.remedy)

    def _dated(self, remedy: str) -> str:
        newer = "" if self.rule.lifted is None else way_out(self.rule.lifted)
        return f"{remedy} {newer}" if newer else remedy
