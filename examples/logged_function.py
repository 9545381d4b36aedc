"""A Lambda function for the examples, with its own log group and permission to write only there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

if TYPE_CHECKING:
    from pathlib import Path

    from constructs import Construct


class LoggedFunction(lambda_.Function):
    """A Python function without AWS's broad basic execution role, so that cdk-nag reports nothing."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        folder: Path,
        handler: str,
        function_name: str | None = None,
        memory_size: int = 512,
        timeout: float = 30,
    ) -> None:
        log_group = logs.LogGroup(
            scope, f"{id}Log", retention=logs.RetentionDays.ONE_MONTH, removal_policy=RemovalPolicy.DESTROY
        )
        role = iam.Role(scope, f"{id}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        super().__init__(
            scope,
            id,
            runtime=lambda_.Runtime.PYTHON_3_14,
            code=lambda_.Code.from_asset(str(folder), exclude=["**/__pycache__"]),
            handler=handler,
            function_name=function_name,
            memory_size=memory_size,
            timeout=Duration.seconds(timeout),
            role=role,
            log_group=log_group,
        )
