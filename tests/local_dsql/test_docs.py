"""The page about the local DSQL says what the code says."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from dsql_dialect.profiles import DEFAULT, NAMES, PROFILES
from local_dsql import Attempt, Fault, LocalCluster
from local_dsql.cli.inject import inject
from local_dsql.conformance.cases import Refusal
from local_dsql.conformance.facts_reader import cases, conflicts
from local_dsql.conformance.known import KNOWN_DIVERGENCES as KNOWN
from tests.support import shell_page
from tests.support.plugin_runs import run_pytest
from tests.support.programs import needs_psql

if TYPE_CHECKING:
    from tests.support.code_blocks import Block

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "local-dsql.md").read_text(encoding="utf-8")


def test_the_score_is_that_of_the_facts(page_blocks: list[Block]) -> None:
    (block,) = page_blocks
    asked = len(cases()) + len(conflicts())
    lines = [f"differs: {case} (divergence {known})" for case, known in sorted(KNOWN.items())]
    score = (
        f"{asked - len(KNOWN)} of {asked} recorded cases identical ({100 - 100 * len(KNOWN) / asked:.1f} %)"
    )
    assert block.body.splitlines()[1:] == [score, *lines]
    assert f"| {asked - len(KNOWN)} of {asked} cases |" in PAGE
    assert f"of the {len(cases())} cases of one session" in PAGE


def test_the_refusals_are_those_of_the_facts() -> None:
    refused = [
        case.id
        for case in cases()
        for step in case.steps
        for answer in step.answers
        if isinstance(answer, Refusal)
    ]
    identical = sum(case not in KNOWN for case in refused)
    assert f"| {identical} of {len(refused)} with code and text |" in PAGE


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:tests|local_dsql)/[\w./]+)`", PAGE))))
def test_named_files_exist(path: str) -> None:
    assert (PROJECT / path).exists()


@pytest.mark.slow
def test_the_package_has_the_extra_and_the_server_prints_a_url(
    tmp_path: Path, page_blocks: list[Block]
) -> None:
    (block,) = page_blocks
    *commands, shown = (line.partition("  #")[0] for line in block.body.splitlines())
    assert (
        "local"
        in tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    )
    server = subprocess.Popen(
        [sys.executable, *shlex.split(commands[-1])[2:]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with server:
        assert server.stdout is not None
        printed = server.stdout.readline().strip()
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
    assert re.fullmatch(re.sub(r"40121", r"\\d+", re.escape(shown)).replace("…", ".+"), printed)


@pytest.mark.slow
def test_a_cluster_of_two_regions_is_reached_as_on_the_page(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    page_blocks: list[Block],
) -> None:
    (block,) = page_blocks
    monkeypatch.chdir(tmp_path)
    exec(compile(block.body, block.page, "exec"), {})
    assert capsys.readouterr().out.strip() == block.body.rpartition("# ")[2].strip()


@pytest.mark.slow
def test_the_test_with_a_fixture_passes(tmp_path: Path, page_blocks: list[Block]) -> None:
    (block,) = page_blocks
    (tmp_path / "test_page.py").write_text(block.body, "utf-8")
    assert "1 passed" in run_pytest(tmp_path)


@pytest.mark.slow
@needs_psql
def test_the_commands_on_clients_run_in_a_shell(tmp_path: Path, page_blocks: list[Block]) -> None:
    """With BLOCKS_WRITE_DOCS set, the output is written into the page."""
    (block,) = page_blocks
    (tmp_path / "cdk.json").write_text("{}")
    try:
        printed = shell_page.run(block.text, tmp_path, [shell_page.PROGRAMS])
    finally:
        subprocess.run([f"{shell_page.PROGRAMS}/local-dsql", "stop"], cwd=tmp_path, capture_output=True)
    if "BLOCKS_WRITE_DOCS" in os.environ:
        page = PROJECT / block.page
        page.write_text(page.read_text("utf-8").replace(block.text, printed), "utf-8")
    else:
        assert shell_page.shape(printed).splitlines() == shell_page.shape(block.text).splitlines()
    assert "DATABASE_URL=" in (tmp_path / ".env").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


FAULTS = section("Fault injection")


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_every_fault_is_explained(fault: Fault) -> None:
    assert f"\n| `{fault.value}` | " in FAULTS


@pytest.mark.parametrize("name", [*inspect.signature(LocalCluster.inject).parameters][2:])
def test_everything_that_an_injection_can_be_given_is_in_the_table(name: str) -> None:
    assert re.search(rf"^\|.*[ `]{name}=.*\|", FAULTS, re.MULTILINE)


@pytest.mark.parametrize("option", [name for each in inject.params for name in each.opts if name[:2] == "--"])
def test_every_option_that_injects_is_mentioned(option: str) -> None:
    assert option in ("--path", "--database", "--json") or option in FAULTS


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Attempt)])
def test_everything_that_a_predicate_sees_is_mentioned(field: str) -> None:
    assert f"`{field}`" in FAULTS


def test_the_dialects_are_listed_as_they_are_defined() -> None:
    rows = re.findall(r"^\| `([\w-]+)`(, the default)? \| (.*) \|$", PAGE, re.MULTILINE)
    listed = [row for row in rows if row[0] in NAMES]
    assert listed == [
        (profile.name, ", the default" if profile is DEFAULT else "", profile.description)
        for profile in PROFILES
    ]


def test_admin_sees_the_rights_of_a_role(shared_cluster: LocalCluster, page_blocks: list[Block]) -> None:
    (query,) = (block.body for block in page_blocks)
    role = "blocks_reader"
    with psycopg.connect(shared_cluster.dsn(), autocommit=True) as admin:
        admin.execute("CREATE TABLE readable (id int PRIMARY KEY)")
        admin.execute(f"CREATE ROLE {role} WITH LOGIN")
        try:
            admin.execute(f"GRANT SELECT ON readable TO {role}")
            assert admin.execute(query.encode()).fetchall() == [(role, "readable", "SELECT")]
        finally:
            admin.execute("DROP TABLE readable")
            admin.execute(f"DROP ROLE {role}")
