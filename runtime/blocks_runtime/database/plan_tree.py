"""A plan as a tree for people."""

from __future__ import annotations

from .plan_scans import scans

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .plan_scans import Scan
    from .plans import Plan, PlanNode


def tree(plan: Plan) -> str:
    """Return the tree, the warnings with the index that would help, and the DPU if there are any."""
    found = {id(each.node): each for each in scans(plan)}
    lines = [*_lines(plan.root, found, "", "")]
    lines += [line for line in plan.summary if line.endswith(" ms")]
    if plan.dpu is not None:
        dpu = plan.dpu
        lines.append(
            f"DPU: {dpu.total:.5f} (compute {dpu.compute:.5f}, read {dpu.read:.5f}, write {dpu.write:.5f})"
        )
    for warning in plan.warnings:
        lines += ["", f"warning: {warning}"]
        if warning.index:
            lines.append(f"  index: {warning.index}")
    return "\n".join(lines)


def _lines(node: PlanNode, found: dict[int, Scan], here: str, below: str) -> Iterator[str]:
    scan = found.get(id(node))
    yield f"{here}{_label(node, scan)}   {_rows(node, scan)}".rstrip()
    children = node.children
    if scan is not None:
        inside = {id(each) for each in scan.parts}
        children = [each for each in children if id(each) not in inside]
        mark = "│ " if children else "  "
        yield from (f"{below}{mark}  {name}: {text}" for name, text in _conditions(scan))
    for number, child in enumerate(children, 1):
        last = number == len(children)
        yield from _lines(
            child, found, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")
        )


def _label(node: PlanNode, scan: Scan | None) -> str:
    if scan is None:
        return node.label
    table = scan.table.removeprefix("public.")
    alias = "" if scan.alias == table.rpartition(".")[2] else f" {scan.alias}"
    index = f" using {scan.index}" if scan.index else ""
    return f"{scan.access}{index} on {table}{alias}"


def _rows(node: PlanNode, scan: Scan | None) -> str:
    if node.estimated_rows is None and node.rows is None:
        return ""
    parts = [] if node.estimated_rows is None else [f"estimated {node.estimated_rows:,}"]
    if node.loops == 0:
        parts.append("never executed")
    elif node.rows is not None:
        if scan is not None:
            parts.append(f"read {scan.rows_read:,.0f}")
        parts.append(f"returned {node.rows * (node.loops or 0):,.0f}")
    return f"rows: {', '.join(parts)}"


def _conditions(scan: Scan) -> Iterator[tuple[str, str]]:
    for text in dict.fromkeys(scan.index_conditions):
        yield "index condition", text
    for each in scan.parts:
        if in_storage := each.detail("Filters"):
            yield "storage filter", in_storage
        if after := each.detail("Filter"):
            yield "filter", after
