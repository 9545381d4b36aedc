"""Runs the four operations of step 7, and prints the plans before and after as a table and trees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.tree import Tree

from examples.bank.tool.tables import print_table
from examples.bank.tool.targets import step_module

FILTER = {
    "metadata_key": "account_tier_1",
    "account_type": "savings",
    "region_code": "US",
    "status": "active",
}


@dataclass(frozen=True)
class Comparison:
    """Results of `query` and `query_optimized`."""

    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def factor(self) -> float:
        """Rows scanned before, for each row scanned after."""
        return float(self.before["rows_scanned"]) / float(self.after["rows_scanned"])


def compare(rows: int | None) -> Comparison:
    """Run `setup`, `query`, `optimize` and `query_optimized` with the handler of the current folder."""
    handler = step_module(Path("functions/queries.py")).handler
    handler({"operation": "setup"} if rows is None else {"operation": "setup", "rows": rows}, None)
    before = handler({"operation": "query", **FILTER}, None)
    handler({"operation": "optimize"}, None)
    return Comparison(before, handler({"operation": "query_optimized", **FILTER}, None))


def show(found: Comparison) -> None:
    """Print the comparison."""
    rows: list[tuple[str, ...]] = [("", "query", "query_optimized")]
    for name, unit in (("execution_time", " ms"), ("rows_scanned", ""), ("rows_returned", "")):
        cells = [f"{each[name]:,}{unit}" for each in (found.before, found.after)]
        rows.append((name.replace("_", " "), *cells))
    rows.append(
        ("index only", *("yes" if each["index_only"] else "no" for each in (found.before, found.after)))
    )
    print_table(rows, right=(1, 2))
    print(f"\n{found.factor:.1f} times fewer rows scanned")
    for name, result in (("query", found.before), ("query_optimized", found.after)):
        print()
        show_plan(name, result["plan"])


def show_plan(name: str, plan: str) -> None:
    """Print a plan: as a tree on a terminal, as it is elsewhere."""
    console = Console()
    if not console.is_terminal:
        print(f"{name}\n{plan}")
        return
    tree = Tree(f"[bold]{name}[/]")
    above = [(-1, tree)]
    for line in plan.splitlines():
        indent = len(line) - len(line.lstrip())
        while above[-1][0] >= indent:
            above.pop()
        above.append((indent, above[-1][1].add(line.strip()))) if line.strip() else None
    console.print(tree)
