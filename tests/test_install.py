"""Packages of each extra, and the error of a program without its extra."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

REQUIREMENTS = Path(__file__).parent.parent / "requirements.txt"


def brought(extra: str) -> set[str]:
    """Return the packages of an extra, including those of extras that it names."""
    found: set[str] = set()
    for line in metadata.requires("blocks-dsql") or ():
        requirement, _, marker = line.partition(";")
        if f"extra == '{extra}'" not in marker.replace('"', "'"):
            continue
        name = re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]
        extras = re.search(r"\[(.*)\]", requirement)
        if name == "blocks-dsql" and extras:
            found |= {each for named in extras[1].split(",") for each in brought(named.strip())}
        else:
            found.add(name)
    return found


def test_a_local_function_finds_what_lambda_has() -> None:
    """The peering function imports boto3 without bundling it, as any function may."""
    assert {"boto3", "awslambdaric", "click"} <= brought("cli")


def test_the_local_database_has_its_command_line() -> None:
    assert "click" in brought("local")


@pytest.mark.parametrize(
    ("program", "module", "extra"),
    [("blocks", "blocks_cli.main", "cli"), ("local-dsql", "local_dsql.cli", "local")],
)
def test_a_program_says_which_extra_it_needs(program: str, module: str, extra: str) -> None:
    code = f"import sys; sys.modules['click'] = None; import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"error: {program}: its packages are not installed\n"
        "  why: `blocks-dsql` alone installs only what a function needs at run time\n"
        f"  do:  pip install 'blocks-dsql[{extra}]'\n"
    )


def test_every_pinned_package_supports_the_oldest_python() -> None:
    """Linux distributions stay with the patch release of a Python that they began with: Debian 12 with 3.11.2."""
    supported = metadata.metadata("blocks-dsql")["Requires-Python"]
    oldest = supported.removeprefix(">=") + ".0"
    pinned = [Requirement(line) for line in REQUIREMENTS.read_text().splitlines() if line and line[0] != "#"]
    wanted = {
        each.name: str(metadata.metadata(each.name).json.get("requires_python", ""))
        for each in pinned
        if each.marker is None or each.marker.evaluate()
    }
    assert len(wanted) > 50
    assert [name for name, versions in wanted.items() if not SpecifierSet(versions).contains(oldest)] == []
