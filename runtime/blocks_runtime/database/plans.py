"""Output of EXPLAIN, as text and as a tree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .fragments import Sql

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NODE = re.compile(r"(?P<label>\S+(?: +\S+)*?) +\((?P<figures>(?:cost|actual)[ =][^()]*(?:\) +\([^()]*)*)\)$")
_COST = re.compile(r"cost=(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?) rows=(\d+) width=(\d+)")
_ACTUAL = re.compile(r"actual (?:time=(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?) )?rows=(\d+(?:\.\d+)?) loops=(\d+)")
_DPU = re.compile(r"(?P<name>[A-Za-z -]+): (?P<value>[\d.]+) DPU\b")


@dataclass(slots=True)
class PlanNode:
    """One node of a plan. Costs are in the planner's unit, times in milliseconds for one loop."""

    label: str
    """Node type and target, such as `Index Scan using items_pkey on items`."""
    startup_cost: float | None = None
    total_cost: float | None = None
    estimated_rows: int | None = None
    width: int | None = None
    """Estimated bytes of a row."""
    startup_time: float | None = None
    total_time: float | None = None
    rows: float | None = None
    """Actual rows of one loop; None if it was not executed."""
    loops: int | None = None
    details: list[str] = field(default_factory=list)
    """Further lines of the node, such as `Index Cond: (id = 1)`."""
    children: list[PlanNode] = field(default_factory=list)

    def detail(self, name: str) -> str | None:
        """Return the text after the name and a colon in the further lines, or None."""
        found = (each.partition(": ") for each in self.details)
        return next((text for before, _, text in found if before == name), None)

    def walk(self) -> Iterator[PlanNode]:
        """Yield this node and all below it, each before its children."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class StatementDpu:
    """Estimate of a statement's cost in DPU, which a cluster prints for EXPLAIN ANALYZE VERBOSE.

    Source: AWS user guide, "Understanding DPUs in EXPLAIN ANALYZE".
    """

    compute: float
    read: float
    write: float
    total: float
    multi_region_write: float = 0.0


@dataclass(frozen=True, slots=True)
class PlanWarning:
    """A part of a plan that reads more than it has to."""

    kind: str
    """`full scan`, `filter after scan`, `no covering index` or `sort on disk`."""
    text: str
    index: str | None = None
    """CREATE INDEX ASYNC statement for an index that would help, or None."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan: `text` as psql shows it, `root` as a tree, and `summary` lines on the whole.

    `str()` is the text.
    """

    text: str
    root: PlanNode
    summary: tuple[str, ...]
    """Lines on the whole plan, such as `Execution Time: 0.05 ms`."""
    dpu: StatementDpu | None = None
    """None for the local database, and without `analyze`."""
    warnings: tuple[PlanWarning, ...] = ()
    tree: str = ""
    """The plan for people: rows estimated and read, index or full scan, and the warnings."""

    def __str__(self) -> str:
        return self.text


def explaining(statement: Sql, analyze: bool) -> Sql:
    """Return the EXPLAIN of a statement, with the same values."""
    if not isinstance(statement, Sql):
        raise TypeError(f"a statement must be made by sql(), not {type(statement).__name__}")
    words = "EXPLAIN (ANALYZE, VERBOSE) " if analyze else "EXPLAIN (VERBOSE) "
    return Sql((words + statement.texts[0], *statement.texts[1:]), statement.values)


def plan(lines: Sequence[str]) -> Plan:
    """Parse the lines of EXPLAIN's output.

    A node follows an arrow and is indented deeper than its parent; other indented lines are details of the node above;
    the first line without indentation, and all after it, are about the whole plan.
    """
    root = _node(lines[0])
    summary: list[str] = []
    above: list[tuple[int, PlanNode]] = [(-1, root)]
    for line in lines[1:]:
        indent = len(line) - len(line.lstrip())
        said = line.strip()
        if indent == 0 or summary:
            summary.append(said)
            continue
        while above[-1][0] >= indent:
            above.pop()
        if said.startswith("->"):
            node = _node(said.removeprefix("->").strip())
            above[-1][1].children.append(node)
            above.append((indent, node))
        else:
            above[-1][1].details.append(said)
    return Plan("\n".join(lines), root, tuple(summary), _dpu(summary))


def _dpu(summary: Sequence[str]) -> StatementDpu | None:
    found = {match["name"]: float(match["value"]) for line in summary if (match := _DPU.match(line))}
    if "Total" not in found:
        return None
    multi = next((value for name, value in found.items() if name.startswith("Multi")), 0.0)
    return StatementDpu(
        found.get("Compute", 0.0), found.get("Read", 0.0), found.get("Write", 0.0), found["Total"], multi
    )


def _node(line: str) -> PlanNode:
    found = _NODE.match(line)
    if found is None:
        return PlanNode(line)
    node, figures = PlanNode(found["label"]), found["figures"]
    if cost := _COST.search(figures):
        node.startup_cost, node.total_cost = float(cost[1]), float(cost[2])
        node.estimated_rows, node.width = int(cost[3]), int(cost[4])
    if actual := _ACTUAL.search(figures):
        if actual[1]:
            node.startup_time, node.total_time = float(actual[1]), float(actual[2])
        node.rows, node.loops = float(actual[3]), int(actual[4])
    return node
