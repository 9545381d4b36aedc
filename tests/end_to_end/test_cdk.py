"""The pinned CDK command line synthesizes the reference app."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from tests.end_to_end.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_cdk_synth_writes_the_template(tmp_path: Path) -> None:
    done = subprocess.run(
        ["npx", "--no-install", "cdk", "synth", "--quiet", "--no-validation", "--output", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "CDK_DISABLE_VERSION_CHECK": "1", "CI": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "BankStack.template.json").read_text("utf-8"))
    types = {resource["Type"] for resource in template["Resources"].values()}
    assert {"AWS::DSQL::Cluster", "Custom::DsqlMigrations", "AWS::Lambda::LayerVersion"} <= types
