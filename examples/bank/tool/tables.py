"""Tables: with lines and colours on a terminal, aligned text elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def print_table(rows: Sequence[Sequence[str]], *, right: Collection[int]) -> None:
    """Print rows, the first of which has the headings; columns with these numbers are aligned to the right."""
    console = Console()
    if not console.is_terminal:
        print("\n".join(lines_of(rows, right)))
        return
    table = Table()
    for number, name in enumerate(rows[0]):
        table.add_column(name, justify="right" if number in right else "left")
    for row in rows[1:]:
        table.add_row(*row)
    console.print(table)


def lines_of(rows: Sequence[Sequence[str]], right: Collection[int]) -> list[str]:
    """Return rows as aligned lines."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
