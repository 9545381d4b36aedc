"""The explanation of one code that a message has: meaning, cause, remedy, and its place in the documentation."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks_cli.json_value import Json

ERRORS, RULES, DIVERGENCES = "docs/errors.md", "docs/rules.md", "docs/divergences.md"
"""Pages of the repository that list the codes."""


class Kind(enum.Enum):
    """Kind of a code: the heading above its entries, and their page."""

    CONFLICT = "Conflict codes"
    RUNTIME = "Errors of the runtime"
    SQLSTATE = "SQLSTATEs"
    PROGRAM = "Errors of constructs, migrations and local services"
    SQL = "Rules on SQL"
    FOLDER = "Rules on migrations"
    DIVERGENCE = "Known differences of the local DSQL"

    @property
    def page(self) -> str:
        """The page that lists the codes of this kind."""
        return {Kind.SQL: RULES, Kind.FOLDER: RULES, Kind.DIVERGENCE: DIVERGENCES}.get(self, ERRORS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One code, as a message prints it, and all that a reader needs in order to go on.

    `facts` are further lines: a label and its text. `step` is the label of the remedy. `anchor` differs from the code
    only for codes without an entry of their own.
    """

    code: str
    kind: Kind
    meaning: str
    cause: str
    remedy: str
    facts: tuple[tuple[str, str], ...] = ()
    anchor: str = ""
    step: str = "do"

    @property
    def page(self) -> str:
        """Path and anchor of the entry, from the root of the repository."""
        return f"{self.kind.page}#{self.anchor or anchor_of(self.code)}"

    @property
    def text(self) -> str:
        """The explanation as the command prints it."""
        lines = [
            f"{self.code}: {self.meaning}",
            f"  why: {self.cause}",
            f"  {self.step}: {' ' * (3 - len(self.step))}{self.remedy}",
            *(f"  {label}: {text}" for label, text in self.facts),
            f"  page: {self.page}",
        ]
        return "\n".join(lines)

    @property
    def markdown(self) -> str:
        """The entry of the page."""
        facts = "".join(f"- {label}: {_as_code(label, text)}\n" for label, text in self.facts)
        return (
            f"### {self.code}\n\n{in_markdown(self.meaning)}\n\n"
            f"- why: {in_markdown(self.cause)}\n- {self.step}: {in_markdown(self.remedy)}\n{facts}"
        )

    @property
    def json(self) -> Json:
        """The explanation as `--json` prints it."""
        facts: Json = dict(self.facts)
        return {
            "code": self.code,
            "kind": self.kind.name.lower(),
            "meaning": self.meaning,
            "why": self.cause,
            "remedy": self.remedy,
            "facts": facts,
            "page": self.page,
        }


def anchor_of(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


_OUTSIDE_CODE = re.compile(r"(`[^`]*`)")


def in_markdown(text: str) -> str:
    """Return a sentence for a page: on one line, with the characters of Markdown and HTML escaped outside of code."""
    parts = _OUTSIDE_CODE.split(" ".join(text.split()))
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[\]|])", r"\\\1", part) for part in parts)


_CODE = ("refused", "accepted")
"""Labels of facts that are SQL or file names."""


def _as_code(label: str, text: str) -> str:
    if label not in _CODE:
        return in_markdown(text)
    return f"`{' '.join(text.split())}`" if "`" not in text else in_markdown(text)
