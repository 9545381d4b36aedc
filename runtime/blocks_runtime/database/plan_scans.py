"""Scans of a plan, in the words of DSQL's plans, whichever database has made it.

DSQL has no heap: it scans the primary key where PostgreSQL has a Seq Scan, and its Index Scan looks the other columns
up in the primary key, where PostgreSQL has a Bitmap Heap Scan. Source: AWS user guide, "Reading Aurora DSQL EXPLAIN
plans".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .plans import Plan, PlanNode

FULL_SCAN = "Full Scan"
INDEX_SCAN = "Index Scan"
INDEX_ONLY_SCAN = "Index Only Scan"

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_SCAN = re.compile(
    r"(?:Parallel )?(?P<kind>Seq Scan|Full Scan|Index Only Scan|Index Scan|Bitmap Heap Scan)"
    rf"(?: \([^)]*\))?(?: Backward)?(?: using (?P<index>{_NAME}))?"
    rf" on (?P<table>{_NAME}(?:\.{_NAME})?)(?: (?P<alias>{_NAME}))?"
)
_INDEX_OF_BITMAP = re.compile(rf"Bitmap Index Scan on (?P<index>{_NAME})")
_REMOVED = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
_FILTERS = ("Filter", "Filters")
_STORAGE = ("Storage ", "B-Tree ", "Bitmap ")
"""Begin of the names of nodes that are parts of a scan."""
_VERSIONS = "Bitmap "
"""Begin of the name of a node that counts versions of rows, those of rolled back transactions included."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of a table."""

    node: PlanNode
    above: tuple[PlanNode, ...]
    """The nodes that get its rows, the nearest first."""
    access: str
    """`FULL_SCAN`, `INDEX_SCAN` or `INDEX_ONLY_SCAN`."""
    table: str
    """As in the plan: quoted where needed, with its schema."""
    alias: str
    index: str | None

    @property
    def parts(self) -> list[PlanNode]:
        """Nodes of the scan itself, without sub-plans."""
        found = [self.node]
        for each in found:
            found += [child for child in each.children if child.label.startswith(_STORAGE)]
        return found

    @property
    def index_conditions(self) -> list[str]:
        """Conditions that limit the part of the index that is read."""
        return [text for each in self.parts if (text := each.detail("Index Cond"))]

    @property
    def filters(self) -> list[str]:
        """Conditions on rows that have been read, by storage or by the query processor."""
        return [text for each in self.parts for name in _FILTERS if (text := each.detail(name))]

    @property
    def rows_returned(self) -> float | None:
        """Rows that it has returned in all loops; None if it was not executed."""
        return _rows(self.node)

    @property
    def rows_read(self) -> float | None:
        """Rows that it has read, those removed by filters included; None if it was not executed."""
        if self.node.rows is None:
            return None
        removed = sum(float(self.node.detail(name) or 0) for name in _REMOVED) * (self.node.loops or 1)
        own = (_rows(self.node) or 0.0) + removed
        return max(
            [own, *(_rows(each) or 0.0 for each in self.parts if not each.label.startswith(_VERSIONS))]
        )


def scans(plan: Plan) -> list[Scan]:
    """Return all scans of tables of a plan."""
    return [*_scans(plan.root, ())]


def _scans(node: PlanNode, above: tuple[PlanNode, ...]) -> Iterator[Scan]:
    if found := _SCAN.fullmatch(node.label):
        index = found["index"] or _bitmap_index(node)
        table = found["table"]
        alias = found["alias"] or table.rpartition(".")[2]
        yield Scan(node, above, _access(found["kind"], node), table, alias, index)
    for child in node.children:
        yield from _scans(child, (node, *above))


def _access(kind: str, node: PlanNode) -> str:
    if kind in ("Seq Scan", FULL_SCAN):
        return FULL_SCAN
    if kind == "Bitmap Heap Scan":
        return INDEX_SCAN
    limited = any(each.detail("Index Cond") for each in node.walk())
    return kind if limited else FULL_SCAN


def _bitmap_index(node: PlanNode) -> str | None:
    labels = (_INDEX_OF_BITMAP.fullmatch(each.label) for each in node.walk())
    return next((found["index"] for found in labels if found), None)


def _rows(node: PlanNode) -> float | None:
    return None if node.rows is None else node.rows * (node.loops or 0)
