"""The throwaway stack: deployed with the CDK command line, deleted, and searched for what it left behind."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "BlocksAcceptance"
"""Name of the stack; that of the second Region has `Peer` after it."""

_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
_POLL, _PATIENCE = 3, 3600
"""Seconds between two looks at a stack that is deleted, and seconds to wait for its end."""
_TAIL = 2000
"""Characters of the output of the CDK command line that an error shows."""


@dataclass(frozen=True, slots=True)
class Place:
    """Account and Regions of a run, and the Python runtime of the functions ("" for the newest)."""

    account: str
    region: str
    peer: str = ""
    witness: str = ""
    runtime: str = ""

    @property
    def stacks(self) -> dict[str, str]:
        """The Region of each stack, by name."""
        return {NAME: self.region} | ({f"{NAME}Peer": self.peer} if self.peer else {})


@dataclass
class ThrowawayStack:
    """The stack of a run, or the two of one in two Regions."""

    place: Place
    session: Any = field(repr=False)

    def client(self, service: str, region: str) -> Any:
        """Return boto3's client for a service in a Region."""
        return self.session.client(service, region_name=region)

    def check(self) -> None:
        """Check what a deploy needs.

        Raises:
            CommandError: the CDK is not installed, a Region is not bootstrapped, or a stack of that name exists.
        """
        from botocore.exceptions import ClientError

        if importlib.util.find_spec("aws_cdk") is None:
            raise CommandError(
                "the CDK is not installed",
                "the stack is synthesized with aws-cdk-lib",
                "run `pip install 'blocks-dsql[cli,cdk]'`",
            )
        _command_line()
        for name, region in self.place.stacks.items():
            try:
                self.client("ssm", region).get_parameter(Name=_BOOTSTRAP)
            except ClientError as error:
                raise CommandError(
                    f"{region} is not ready for a deploy",
                    f"the CDK's bootstrap stack was not found: {error.response['Error']['Code']}",
                    f"run `npx cdk bootstrap aws://{self.place.account}/{region}`",
                ) from None
            if self.status(name, region) is not None:
                raise CommandError(
                    f"the stack {name} exists in {region}",
                    "an earlier run has left it, or it is yours",
                    "delete it with `blocks acceptance --remove`, with the same options",
                )

    def status(self, name: str, region: str) -> str | None:
        """Return the status of a stack, None if it does not exist."""
        from botocore.exceptions import ClientError

        try:
            [found] = self.client("cloudformation", region).describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        status = str(found["StackStatus"])
        return None if status == "DELETE_COMPLETE" else status

    def deploy(self) -> dict[str, str]:
        """Deploy, and return the outputs of the stack.

        Raises:
            CommandError: the deploy failed.
        """
        self._cdk("deploy", "--all", "--require-approval", "never", "--progress", "events")
        formation = self.client("cloudformation", self.place.region)
        [found] = formation.describe_stacks(StackName=NAME)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}

    def delete(self) -> None:
        """Delete the stacks one after the other, that of the database first; Ctrl-C does not interrupt it.

        CloudFormation does it without the app, so it also works after a failed synth.

        Raises:
            CommandError: a stack could not be deleted.
        """
        with _undisturbed():
            for name, region in self.place.stacks.items():
                self._delete(name, region)

    def _delete(self, name: str, region: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            formation = self.client("cloudformation", region)
            formation.delete_stack(StackName=name)
            waiter = formation.get_waiter("stack_delete_complete")
            waiter.wait(StackName=name, WaiterConfig={"Delay": _POLL, "MaxAttempts": _PATIENCE // _POLL})
        except (BotoCoreError, ClientError) as error:
            raise CommandError(
                f"the stack {name} in {region} could not be deleted",
                str(error),
                "see the events of the stack in CloudFormation, and run `blocks acceptance --remove`",
                ExitCode.MIGRATION_FAILED,
            ) from None

    def left_behind(self, outputs: Mapping[str, str]) -> list[str]:
        """Return stacks, clusters and log groups of the run that still exist."""
        left = [
            f"stack {name} in {region}: {status}"
            for name, region in self.place.stacks.items()
            if (status := self.status(name, region)) is not None
        ]
        for region in self.place.stacks.values():
            left += self._clusters(region, outputs) + self._log_groups(region)
        return left

    def _clusters(self, region: str, outputs: Mapping[str, str]) -> list[str]:
        from botocore.exceptions import ClientError

        identifier = outputs.get("Identifier")
        if identifier is None or region != self.place.region:
            return []
        try:
            found = self.client("dsql", region).get_cluster(identifier=identifier)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return []
            raise
        return (
            [] if found["status"] in ("DELETING", "DELETED") else [f"cluster {identifier}: {found['status']}"]
        )

    def _log_groups(self, region: str) -> list[str]:
        logs = self.client("logs", region)
        found = [*_log_groups(logs, NAME), *_log_groups(logs, f"/aws/lambda/{NAME}")]
        return [f"log group {name}" for name in found]

    def _cdk(self, command: str, *arguments: str) -> None:
        place = self.place
        context = {
            "account": place.account, "region": place.region, "name": NAME,
            "peer": place.peer, "witness": place.witness, "runtime": place.runtime,
        }  # fmt: skip
        options = [part for key, value in context.items() if value for part in ("-c", f"{key}={value}")]
        with tempfile.TemporaryDirectory(prefix="blocks-acceptance-") as output:
            app = ["--app", f"{sys.executable} -m blocks.acceptance.app", "--output", output]
            code, said = _run([*_command_line(), command, *app, *arguments, *options])
        if code:
            raise CommandError(
                f"cdk {command} of the stack {NAME} failed",
                said[-_TAIL:].strip() or f"exit code {code}",
                "see the events of the stack in CloudFormation",
                ExitCode.MIGRATION_FAILED,
            )


def _log_groups(logs: Any, prefix: str) -> Iterator[str]:
    for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix):
        yield from (each["logGroupName"] for each in page["logGroups"])


def _command_line() -> list[str]:
    """Return the command of the CDK command line: that of the project, else the one on PATH."""
    own = Path("node_modules/.bin/cdk")
    found = str(own) if own.exists() else shutil.which("cdk")
    if found is None:
        raise CommandError(
            "the CDK command line was not found",
            "neither node_modules/.bin/cdk nor cdk on PATH",
            "run `npm install aws-cdk`",
        )
    return [found]


def _run(command: list[str]) -> tuple[int, str]:
    """Run a command in a session of its own, so that Ctrl-C reaches this process alone.

    If this process is interrupted, the command is ended; CloudFormation goes on with what it has begun.
    """
    environ = os.environ | {"CI": "1", "NO_COLOR": "1", "CDK_DISABLE_VERSION_CHECK": "1"}
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, start_new_session=True)
        with guarded(process, group=True):
            try:
                code = process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
                raise
        log.seek(0)
        return code, log.read()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM in a block: the stack must not be left behind."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
