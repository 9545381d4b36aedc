"""Packages that `pip install blocks-dsql[…]` installs, and messages of programs whose packages are missing."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata

import pytest


def brought(extra: str) -> set[str]:
    """Return the packages that an extra of ours asks for, those of the extras that it names included."""
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
    """The function that joins two Regions imports boto3 without bringing it, as any function may."""
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
