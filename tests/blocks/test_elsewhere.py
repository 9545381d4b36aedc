"""The same app in another process: CDK's own validator has nothing to say, and every byte is the same.

One process serves both, because it takes seconds: there the validator is on, and cache folder, hash seed and
time zone are others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest

from blocks import DistributedDatabase
from blocks.bundling import cache
from examples.two_regions.stacks import add_hotel
from tests.blocks.templates import function

ROOT = Path(__file__).parents[2]
MIGRATIONS = Path(__file__).parent / "migrations"
REPORT = "validation-report.json"


def build(outdir: Path) -> cdk.App:
    """Return an app of four stacks, two of them one database; the spoilt one shows that the validator was on."""
    app = cdk.App(outdir=str(outdir), context={"@aws-cdk/core:validateAgainstDefaultRules": True})
    for name in ("Sound", "Spoilt"):
        stack = cdk.Stack(app, name)
        db = DistributedDatabase(stack, "main", migrations=MIGRATIONS)
        for id in ("Transfer", "Audit"):
            db.grant_connect(function(stack, id))
    db.cluster.add_property_override("Nonsense", 1)
    add_hotel(app, "123456789012")
    return app


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly that another process makes."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "cache").mkdir()
    (folder / "cache" / "wheels").symlink_to(cache.folder() / "wheels")
    outdir = folder / "cdk.out"
    code = f"from tests.blocks.test_elsewhere import build, Path; build(Path({str(outdir)!r})).synth()"
    environment = {name: value for name, value in os.environ.items() if name != "CDK_VALIDATION"}
    other = {cache.VARIABLE: str(folder / "cache"), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment | other,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert "ValidationFailed" in ran.stderr
    return outdir


def test_the_validator_finds_nothing_in_the_sound_stack(elsewhere: Path) -> None:
    report = json.loads((elsewhere / REPORT).read_text(encoding="utf-8"))
    violations = [violation for plugin in report["pluginReports"] for violation in plugin["violations"]]
    places = [
        (violation["ruleName"], construct["constructPath"])
        for violation in violations
        for construct in violation["violatingConstructs"]
    ]
    assert places == [("F3002", "Spoilt/main/Resource")]


def test_synthesizing_here_gives_the_same_bytes(elsewhere: Path, tmp_path: Path) -> None:
    build(tmp_path).synth()
    here, there = contents(tmp_path), contents(elsewhere)
    assert here.keys() == there.keys() - {REPORT}
    assert [name for name in here if here[name] != there[name]] == []
    assert any(name.endswith("psycopg/__init__.py") for name in here)


def contents(root: Path) -> dict[str, bytes]:
    """Return every file below `root`."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
