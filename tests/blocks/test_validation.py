"""CDK's own CloudFormation validator, on: in its own process, as jsii reads the switch when it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"

# The spoilt stack shows that the validator was on.
APP = textwrap.dedent("""
    import sys
    import aws_cdk as cdk
    from aws_cdk import aws_lambda as lambda_
    from blocks import DistributedDatabase

    app = cdk.App(outdir="cdk.out", context={"@aws-cdk/core:validateAgainstDefaultRules": True})
    for name in ("Sound", "Spoilt"):
        stack = cdk.Stack(app, name)
        db = DistributedDatabase(stack, "main", migrations=sys.argv[1])
        code, runtime = lambda_.Code.from_inline("x"), lambda_.Runtime.PYTHON_3_13
        db.grant_connect(lambda_.Function(stack, "Fn", runtime=runtime, handler="index.handler", code=code))
    db.cluster.add_property_override("Nonsense", 1)
    app.synth()
""")


def test_the_validator_has_nothing_to_say(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "CDK_VALIDATION"}
    ran = subprocess.run(
        [sys.executable, "app.py", str(MIGRATIONS)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    report = json.loads((tmp_path / "cdk.out" / "validation-report.json").read_text(encoding="utf-8"))
    violations = [violation for plugin in report["pluginReports"] for violation in plugin["violations"]]
    places = [
        (violation["ruleName"], construct["constructPath"])
        for violation in violations
        for construct in violation["violatingConstructs"]
    ]
    assert places == [("F3002", "Spoilt/main/Resource")]
