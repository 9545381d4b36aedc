"""Run the CDK app as the cdk command line does, without importing the CDK."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli.assembly.cloud import DEFAULT_REGION, LOCAL_ACCOUNT
from blocks_cli.json_value import Json, mapping, text
from blocks_cli.problem import CommandError
from blocks_cli.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

CLI_CONTEXT: Mapping[str, Json] = {
    "aws:cdk:enable-path-metadata": True,
    "aws:cdk:enable-asset-metadata": True,
    "aws:cdk:bundling-stacks": ["**"],
}
"""Context that the cdk command line adds to the app's own."""


def synthesize(
    root: Path, output: Path | None = None, region: str = DEFAULT_REGION, app: str | None = None
) -> Path:
    """Run the app in `root` and return the folder of the assembly, `output` or `root/.blocks/cdk.out`.

    `app` is a shell command; without one it is the `app` of `cdk.json`. The app sees the local account and
    `region` as `CDK_DEFAULT_ACCOUNT` and `CDK_DEFAULT_REGION`. What it prints goes to our stderr.

    Raises:
        CommandError: there is no app command, or it failed.
    """
    output = (output or Workspace(root).assembly).resolve()
    settings = _read(root / "cdk.json")
    command = app or text(settings.get("app"))
    if not command:
        raise CommandError(
            f"{root / 'cdk.json'}: no app command",
            "the file is missing or has no `app`",
            'run this in the folder of the app, or pass --app "python app.py" or --assembly cdk.out',
        )
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=root,
        env=_environment(root, settings, output, region),
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(
            f"synth failed: {command}",
            f"the app ended with status {done.returncode}; its own message is above",
            "correct the app, then deploy again; nothing was changed",
        )
    return output


def _environment(root: Path, settings: Mapping[str, Json], output: Path, region: str) -> dict[str, str]:
    context = {**CLI_CONTEXT, **mapping(settings.get("context")), **_read(root / "cdk.context.json")}
    own = {
        "CDK_OUTDIR": str(output),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_DEFAULT_ACCOUNT": LOCAL_ACCOUNT,
        "CDK_DEFAULT_REGION": region,
        # An app's `python` is the one we run under, even where its environment was not activated.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    # The CDK's template validator takes 8 s of a 12 s synth; `cdk synth` and `cdk deploy` run it.
    return {"CDK_VALIDATION": "false", **os.environ, **own}


def _read(file: Path) -> dict[str, Json]:
    if not file.exists():
        return {}
    try:
        return mapping(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise CommandError(f"{file}: cannot be read", str(error), "correct the file") from None
