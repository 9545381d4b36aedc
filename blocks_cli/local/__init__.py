"""Deploy a synthesized app onto this machine: `LocalDeployment.deploy(synthesize(Path(".")))`."""

from __future__ import annotations

from blocks_cli.lambda_.result import InvocationResult
from blocks_cli.local.deployment import LocalDeployment
from blocks_cli.local.plan import Action, Change
from blocks_cli.local.report import ProgressReport, Report
from blocks_cli.synth import synthesize

__all__ = [
    "Action",
    "Change",
    "InvocationResult",
    "LocalDeployment",
    "ProgressReport",
    "Report",
    "synthesize",
]
