"""A worker on ECS: grants to a task role, and the database's variables in its container."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_ssm as ssm

from blocks import DatabaseRole, DistributedDatabase, Privilege

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import Construct

HERE = Path(__file__).parent

WORKER = DatabaseRole(
    "worker",
    {
        "jobs": {Privilege.SELECT, Privilege.UPDATE},
        "results": {Privilege.SELECT, Privilege.INSERT},
    },
)
"""Privileges of the worker: it updates jobs and inserts results; it may not create jobs or change results."""


class WorkerStack(Stack):
    """A cluster with migrations, and a Fargate service that logs in with the role `worker`."""

    def __init__(self, scope: Construct, id: str, *, image: ecs.ContainerImage) -> None:
        super().__init__(scope, id)
        db = DistributedDatabase(self, "main", migrations=HERE / "migrations")
        task = self._task(image, db.environment(WORKER))
        db.grant_connect(task.task_role, access=WORKER)
        vpc = self._vpc()
        service = ecs.FargateService(
            self,
            "Service",
            cluster=ecs.Cluster(
                self, "Services", vpc=vpc, container_insights_v2=ecs.ContainerInsights.ENABLED
            ),
            task_definition=task,
            desired_count=1,
            min_healthy_percent=100,
        )
        # Functions depend on the migrations by default; other constructs must be told.
        db.run_before(service)

    def _task(self, image: ecs.ContainerImage, variables: Mapping[str, str]) -> ecs.FargateTaskDefinition:
        task = ecs.FargateTaskDefinition(self, "Task")
        task.add_container(
            "Worker",
            image=image,
            secrets={name: self._parameter(name, value) for name, value in variables.items()},
            logging=ecs.LogDrivers.aws_logs(stream_prefix="worker", log_group=self._log("WorkerLog")),
        )
        return task

    def _parameter(self, name: str, value: str) -> ecs.Secret:
        """Store a variable as a parameter outside the task definition, as many policies require; it is not secret."""
        return ecs.Secret.from_ssm_parameter(ssm.StringParameter(self, name, string_value=value))

    def _vpc(self) -> ec2.Vpc:
        vpc = ec2.Vpc(self, "Vpc", max_azs=2, nat_gateways=1)
        role = iam.Role(self, "FlowRole", assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"))
        vpc.add_flow_log(
            "Flow", destination=ec2.FlowLogDestination.to_cloud_watch_logs(self._log("FlowLog"), role)
        )
        return vpc

    def _log(self, id: str) -> logs.LogGroup:
        return logs.LogGroup(
            self, id, retention=logs.RetentionDays.ONE_MONTH, removal_policy=RemovalPolicy.DESTROY
        )
