"""Registry of all rules: by id, and by the node that they look at in a dialect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from dsql_dialect import classify, details
from dsql_dialect.rule import Hit
from dsql_dialect.rules import (
    alter,
    core,
    functions,
    grammar,
    grants,
    indexes,
    objects,
    queries,
    routine_bodies,
    sequences,
    settings,
    statements,
    tables,
    transactions,
    types,
)
from dsql_dialect.rules.core import ENCODING, INTERNAL_ERROR, NOT_IMPLEMENTED, SYNTAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dsql_dialect.profiles import Profile
    from dsql_dialect.rule import Detector, Node, Rule

__all__ = [
    "ENCODING",
    "INTERNAL_ERROR",
    "NOT_IMPLEMENTED",
    "RULES",
    "SYNTAX",
    "checks",
    "default_refusal",
    "internal_error",
]

_FILES = (
    *(core, grammar, statements, transactions, settings, tables, types, sequences, alter),
    *(indexes, functions, routine_bodies, objects, grants, queries),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.id: rule for file in _FILES for rule in file.RULES})
"""Every rule by its id."""

_KNOWN = core.ACCEPTED.union(*(rule.nodes for rule in RULES.values()))


_DEFINING = frozenset({"CreateStmt", "CreateDomainStmt", "AlterTableCmd"})


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of one dialect: rules by the node that they look at, and all nodes that the parser has to find."""

    rules: Mapping[str, tuple[tuple[Rule, Detector], ...]]
    wanted: frozenset[str]


@cache
def checks(profile: Profile) -> Checks:
    """Return the rules that refuse in a dialect."""
    by_node: dict[str, tuple[tuple[Rule, Detector], ...]] = {}
    for rule in RULES.values():
        if rule.find is not None and rule.refuses(profile):
            for node in rule.nodes:
                by_node[node] = (*by_node.get(node, ()), (rule, rule.find))
    wanted = frozenset[str]().union(by_node, _DEFINING, classify.WANTED, details.WANTED)
    return Checks(MappingProxyType(by_node), wanted)


def internal_error(place: str, error: Exception) -> tuple[Rule, Hit]:
    """Return the refusal of a statement that the code at `place` (`rule serial`) could not judge."""
    return INTERNAL_ERROR, Hit(values={"place": place, "error": f"{type(error).__name__}: {error}"})


def default_refusal(name: str, root: Node) -> Iterator[tuple[Rule, Hit]]:
    """Refuse a statement, or the one within EXPLAIN, that DSQL is not known to run and no rule names."""
    if name not in _KNOWN:
        yield core.UNSUPPORTED_STATEMENT, Hit(values={"node": name.removesuffix("Stmt")})
    elif name == "ExplainStmt":
        ((explained, node),) = root["query"].items()
        yield from default_refusal(explained, node)
