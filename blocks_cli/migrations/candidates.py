"""Selection of a database in a stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER
from blocks_cli.errors import CommandError
from blocks_runtime.contract import variable_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

ELSEWHERE = "an imported cluster belongs to another stack: pass that stack, or use --endpoint"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cluster of a stack: its construct id, and its identifier or folder."""

    database: str
    where: str


def choose(stack: str, database: str | None, candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate with the id `database`, or the only one.

    Raises:
        CommandError: no candidate has that id, or no id was given and there are several.
    """
    names = ", ".join(sorted(each.database for each in candidates))
    if not candidates:
        raise CommandError(f"stack {stack} has no Aurora DSQL cluster", f"it has no {CLUSTER}", ELSEWHERE)
    fitting = [each for each in candidates if database is None or _same(each.database, database)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise CommandError(
            f"stack {stack} has several databases", f"its databases: {names}", "select one with --database ID"
        )
    raise CommandError(
        f"stack {stack} has no database {database}",
        f"its databases: {names}",
        f"pass --database {candidates[0].database}, or another stack",
    )


def _same(one: str, other: str) -> bool:
    return variable_prefix(one) == variable_prefix(other)
