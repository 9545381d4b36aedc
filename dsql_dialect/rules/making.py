"""What rule files are made with: detectors that many rules share, and the sources they cite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.rule import Hit, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from dsql_dialect.rule import Detector, Node

RECORDED = "recorded 2026-09-15 to 18, eu-central-1"
"""Statement and text come from a real cluster."""
FEATURE_NOT_SUPPORTED = "0A000"


def always(_: Node) -> Iterable[Hit]:
    """Hit every node."""
    return (Hit(),)


def where(condition: Callable[[Node], object], word: str | None = None) -> Detector:
    """Return a detector that hits the nodes for which the condition holds, at the word to blame."""

    def find(node: Node) -> Iterable[Hit]:
        return (Hit(node.get("location"), word),) if condition(node) else ()

    return find


def unsupported(
    rule_id: str,
    node: str,
    sentence: str,
    remedy: str,
    *,
    refused: str,
    accepted: str,
    source: str = RECORDED,
    text: str | None = None,
    lifted: date | None = None,
) -> Rule:
    """Return the rule that refuses a whole statement; without a text of its own, under PostgreSQL's name for it."""
    return Rule(
        id=rule_id,
        sentence=sentence,
        remedy=remedy,
        sqlstate=FEATURE_NOT_SUPPORTED,
        text=text or f"unsupported statement: {node.removesuffix('Stmt')}",
        source=source,
        refused=refused,
        accepted=accepted,
        nodes=(node,),
        find=always,
        lifted=lifted,
    )
