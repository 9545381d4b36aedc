"""Facts stand once: limits and names of dialects are imported by code, and spelled right by docs."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from blocks_cli.bulk import pages, records, source
from blocks_cli.commands.load import MAX_REJECTS
from blocks_runtime import contract
from blocks_runtime.database import plan_advice
from dsql_dialect import limits
from dsql_dialect.profiles import DEFAULT, NAMES

ROOT = Path(__file__).parent.parent
PACKAGES = (
    *("benchmarks", "blocks", "blocks_cli", "blocks_settings", "custom_resource", "dsql_dialect"),
    *("lambda_migrator", "lambda_peering", "local_dsql", "local_dynamodb", "migration_manifest"),
    "runtime/blocks_runtime",
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
HOMES = {"dsql_dialect/limits.py", "dsql_dialect/profiles.py", "runtime/blocks_runtime/limits.py"}
"""Files that define limits and names of dialects."""

ROWS = limits.ROWS_PER_TRANSACTION
SPELLED = re.compile(
    rf"\b({ROWS}|{ROWS:_}|{ROWS:,}|{ROWS - 1:,}|{ROWS + 1})\b"
    rf"|\b{limits.BYTES_PER_TRANSACTION // limits.MEBIBYTE} (MiB|mebibytes)\b|\b10 \* (1024 \* 1024|_?MEBIBYTE)\b"
    rf"|\b{limits.TRANSACTION_SECONDS} (s|seconds)\b|\d MiB per (value|row)\b"
)
DIALECT = re.compile(
    rf"['\"`]({'|'.join(NAMES)})['\"`]|dialect ({'|'.join(NAMES)})\b|\b{DEFAULT.name} \(default"
)


def code_of(package: str) -> list[Path]:
    """Return the modules of a package, those that define a fact left out."""
    found = sorted((ROOT / package).rglob("*.py"))
    return [path for path in found if str(path.relative_to(ROOT)) not in HOMES]


def findings(path: Path, pattern: re.Pattern[str]) -> list[str]:
    """Return the lines of a module in which a pattern is spelled."""
    source = path.read_text(encoding="utf-8")
    numbers = {source.count("\n", 0, match.start()) for match in pattern.finditer(source)}
    lines = source.split("\n")
    return [f"{path.relative_to(ROOT)}:{at + 1}: {lines[at].strip()}" for at in sorted(numbers)]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_spells_a_limit(package: str) -> None:
    found = [each for path in code_of(package) for each in findings(path, SPELLED)]
    assert not found, "\n".join(["import these from dsql_dialect.limits or blocks_runtime.contract:", *found])


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_spells_a_dialect(package: str) -> None:
    found = [each for path in code_of(package) for each in findings(path, DIALECT)]
    assert not found, "\n".join(["import these from dsql_dialect.profiles:", *found])


def test_the_runtime_repeats_the_limits_as_they_are() -> None:
    """The runtime is installed without the dialect, so it has a copy of the limits that it needs."""
    shared = {name for name in vars(limits) if name.isupper() and hasattr(contract, name)}
    assert {"ROWS_PER_TRANSACTION", "BYTES_PER_TRANSACTION"} <= shared
    assert {name: getattr(contract, name) for name in shared} == {
        name: getattr(limits, name) for name in shared
    }


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_docs_spell_facts_as_they_are(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"dialect[=\s\"`]+(\d{4}-\d\d|portable)\b(?!-)", text)) <= set(NAMES)
    assert set(re.findall(r"\b(\d,\d{3}) (?:changed )?rows (?:of )?a transaction", text)) <= {f"{ROWS:,}"}
    mebibytes = f"{limits.BYTES_PER_TRANSACTION // limits.MEBIBYTE}"
    assert set(re.findall(r"\b(\d+) MiB (?:of changes )?a transaction", text)) <= {mebibytes}


def test_the_reference_spells_the_numbers_of_load_dump_explain_and_cost() -> None:
    page = " ".join((ROOT / "docs" / "cli.md").read_text("utf-8").split())
    spelled = (
        f"at most {records.ROWS:,} rows (`--transaction-rows`) and {records.BYTES // limits.MEBIBYTE} MiB",
        f"After {MAX_REJECTS:,} (`--max-rejects`) the load stops",
        f"limit of {limits.TRANSACTION_SECONDS} seconds a transaction",
        f"pages of the first {pages.SNAPSHOT_SECONDS:.0f} seconds are of one snapshot",
        f"only if a scan has read more than {plan_advice.FEW}",
        *(f"`{suffix}`" for suffix in source.SUFFIXES),
    )
    assert [text for text in spelled if text not in page] == []


def cdk_modules(path: Path) -> set[str]:
    """Return the modules of the CDK that a file imports."""
    found: set[str] = set()
    source = path.read_text("utf-8")
    if "aws_cdk" not in source:
        return found
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "aws_cdk":
            found |= {f"aws_cdk.{each.name}" for each in node.names if each.name.startswith("aws_")}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
    return {name for name in found if name.startswith("aws_cdk.aws_")}


def test_types_are_checked_against_every_module_of_the_cdk_that_is_imported() -> None:
    """A module that pyproject.toml does not name would be `Any`, without a word."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]
    read = {
        name.removesuffix(".*")
        for each in settings["overrides"]
        if each.get("follow_imports") == "normal"
        for name in each["module"]
    }
    files = [path for folder in settings["files"] for path in (ROOT / folder).rglob("*.py")]
    imported = set().union(*map(cdk_modules, files))
    assert imported
    assert imported - read == set()
