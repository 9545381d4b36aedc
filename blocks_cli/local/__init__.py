"""Local deployment of a synthesized app: `LocalDeployment.deploy("cdk.out")`."""

from __future__ import annotations

from blocks_cli.lambda_.result import InvocationResult
from blocks_cli.local.deployment import LocalDeployment
from blocks_cli.local.plan import Action, Change
from blocks_cli.local.report import Report
from blocks_cli.local.rollback import Rollback

__all__ = ["Action", "Change", "InvocationResult", "LocalDeployment", "Report", "Rollback"]
