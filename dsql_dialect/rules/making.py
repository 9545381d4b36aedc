"""Constructors of rules, detectors that many rules share, and the sources that they cite."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from dsql_dialect.limits import ROWS_PER_TRANSACTION
from dsql_dialect.rule import Hit, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dsql_dialect.rule import Detector, Node, Rewording

RECORDED = "recorded 2026-09-15 to 18, eu-central-1"
"""Statement and text come from a real cluster."""
LINTED = (
    "AWS dsql-lint, statements refused by a live cluster in August 2026; text in the manner of the "
    "recorded ones"
)
GUIDE = "absent from the supported SQL of the AWS user guide; text in the manner of the recorded ones"
BY_NODE = "absent from the supported SQL of the AWS user guide; named after the node, as recorded ones are"
BEFORE = "AWS release notes (the day it was lifted); text in the manner of the recorded ones"
"""A refusal that has ended: that older clusters refused is known, the wording is not."""
MINISTACK_DAY = date(2026, 10, 4)
MINISTACK = f"one third party alone: notes in MiniStack 1.5.33, measured in eu-central-1 on {MINISTACK_DAY}"
"""Observations of one other project, with their day."""
MINISTACK_UNMARKED = "one third party alone: a text in MiniStack 1.5.33, not marked as measured"
AGENT_PLUGINS_DAY = date(2026, 10, 1)
AGENT_PLUGINS = f"AWS agent plugins, limits observed {AGENT_PLUGINS_DAY}"

FEATURE_NOT_SUPPORTED = "0A000"

MOST_ROWS = f"at most {ROWS_PER_TRANSACTION:,} rows"
"""The rows of one transaction, as remedies name them."""


def always(_: Node) -> Iterable[Hit]:
    """Hit every node."""
    return (Hit(),)


def where(condition: Callable[[Node], object], *words: str) -> Detector:
    """Return a detector that hits nodes that meet a condition, at the first of the words to blame."""

    def find(node: Node) -> Iterable[Hit]:
        return (Hit(node.get("location"), words),) if condition(node) else ()

    return find


def refusal(
    rule_id: str,
    title: str,
    remedy: str,
    *,
    text: str,
    nodes: tuple[str, ...],
    find: Detector,
    refused: str,
    accepted: str,
    source: str = RECORDED,
    sqlstate: str = FEATURE_NOT_SUPPORTED,
    lifted: date | None = None,
    since: date | None = None,
    reworded: Rewording | None = None,
    precedence: int = 0,
    remedy_in_migration: str = "",
) -> Rule:
    """Return a rule on parse-tree nodes: by default one whose text was recorded, with SQLSTATE 0A000."""
    return Rule(
        id=rule_id,
        title=title,
        remedy=remedy,
        sqlstate=sqlstate,
        text=text,
        source=source,
        refused=refused,
        accepted=accepted,
        nodes=nodes,
        find=find,
        lifted=lifted,
        since=since,
        reworded=reworded,
        precedence=precedence,
        remedy_in_migration=remedy_in_migration,
    )


def unsupported(
    rule_id: str,
    node: str,
    title: str,
    remedy: str,
    *,
    refused: str,
    accepted: str,
    source: str = RECORDED,
    text: str | None = None,
    lifted: date | None = None,
    remedy_in_migration: str = "",
) -> Rule:
    """Return a rule that refuses a whole statement, by default with PostgreSQL's name of it in the text."""
    return refusal(
        rule_id,
        title,
        remedy,
        text=text or f"unsupported statement: {node.removesuffix('Stmt')}",
        nodes=(node,),
        find=always,
        refused=refused,
        accepted=accepted,
        source=source,
        lifted=lifted,
        remedy_in_migration=remedy_in_migration,
    )


def options(node: Node, field: str = "options") -> Iterator[Node]:
    """Yield the options of a node: each a DefElem with `defname`, and `arg` where it has an argument."""
    return (each["DefElem"] for each in node.get(field, ()))
