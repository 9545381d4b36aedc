"""`blocks acceptance` with the CDK command line against MiniStack; an interrupted run leaves nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from blocks_cli.acceptance.stack import NAME, Place, ThrowawayStack
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from local_dsql import Permission
from tests.cloudformation.app import HOME, PEER, RUNTIME, WITNESS
from tests.cloudformation.servers import ROOT, ROOT_USER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloudformation.local_clusters import LocalClusters
    from tests.cloudformation.servers import MiniStack
    from tests.cloudformation.table import Table

pytestmark = pytest.mark.slow

TEMPLATE = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'

CHECKS = {
    "cold-start": {"measured", "unsettled"},  # MiniStack's log need not have the duration of the start
    "grants": {"holds"},
    "layer-size": {"measured"},
    "peering": {"holds"},
    "repeated-iam-grant": {"holds"},
    "copy": {"holds"},
    "refused-logins": {"holds"},
    "two-regions": {"holds"},
    "metric-dimension": {"unsettled"},
}
"""Checks that are run here, each with its possible verdicts. The recordings and the dialect have tests of their own."""


def command(*arguments: str) -> list[str]:
    region = ["--region", HOME, "--runtime", RUNTIME.name]
    return [sys.executable, "-m", "blocks_cli.main", "acceptance", *region, "--yes", *arguments]


def environment(ministack: MiniStack, clusters: LocalClusters) -> dict[str, str]:
    """Return the environment of the command, whose user the local DSQL accepts as administrator."""
    clusters.local.identity(
        "arn:aws:iam::000000000000:user/root", [Permission("dsql:DbConnectAdmin", "*")], ROOT_USER
    )
    return ministack.environment() | {"BLOCKS_ACCEPTANCE_CA": str(clusters.authority)}


class Session:
    """The part of boto3's session that the throwaway stack uses, over MiniStack."""

    def __init__(self, ministack: MiniStack) -> None:
        self._ministack = ministack

    def client(self, service: str, region_name: str) -> Any:
        return self._ministack.client(service, region_name)


def throwaway(ministack: MiniStack, witness: str = WITNESS, peer: str = PEER) -> ThrowawayStack:
    return ThrowawayStack(Place("000000000000", HOME, peer, witness), Session(ministack))


def test_a_region_without_bootstrap_is_refused(ministack: MiniStack) -> None:
    with pytest.raises(CommandError) as refused:
        throwaway(ministack, witness=PEER, peer=WITNESS).check()
    assert refused.value.what == f"{WITNESS} is not ready for a deploy"
    assert refused.value.remedy == f"run `npx cdk bootstrap aws://000000000000/{WITNESS}`"


def test_a_stack_of_that_name_is_refused_then_deleted(ministack: MiniStack) -> None:
    stack = throwaway(ministack)
    stack.check()
    for name, region in stack.place.stacks.items():
        ministack.client("cloudformation", region).create_stack(StackName=name, TemplateBody=TEMPLATE)
    with pytest.raises(CommandError) as refused:
        stack.check()
    assert refused.value.what == f"the stack {NAME} exists in {HOME}"
    assert len(stack.left_behind({})) == 2
    stack.delete()
    assert stack.left_behind({}) == []
    stack.check()


def test_clusters_and_log_groups_that_are_left_are_named(ministack: MiniStack) -> None:
    stack = throwaway(ministack)
    dsql, logs = ministack.client("dsql"), ministack.client("logs", PEER)
    identifier = dsql.create_cluster(deletionProtectionEnabled=False)["identifier"]
    logs.create_log_group(logGroupName=f"{NAME}Peer-acceptanceLog")
    assert stack.left_behind({"Identifier": identifier}) == [
        f"cluster {identifier}: ACTIVE",
        f"log group {NAME}Peer-acceptanceLog",
    ]
    dsql.delete_cluster(identifier=identifier)
    logs.delete_log_group(logGroupName=f"{NAME}Peer-acceptanceLog")
    assert stack.left_behind({"Identifier": identifier}) == []


def test_two_regions_are_checked_and_deleted(
    ministack: MiniStack, clusters: LocalClusters, table: Table, tmp_path: Path
) -> None:
    only = [part for name in CHECKS for part in ("--only", name)]
    with table.step("blocks acceptance, two Regions") as step:
        done = subprocess.run(
            command(
                "--peer", PEER, "--witness", WITNESS, "--json", "--output", str(tmp_path / "r.md"), *only
            ),
            cwd=ROOT,
            env=environment(ministack, clusters),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        found = {each["id"]: each["verdict"] for each in report["checks"]}
        wrong = [each for each in report["checks"] if each["verdict"] not in CHECKS[each["id"]]]
        assert wrong == []
        assert report["leftBehind"] == []
        text = (tmp_path / "r.md").read_text("utf-8")
        assert "delete the stack" in text and "000000000000" not in text
        assert ministack.stacks() == ministack.stacks(PEER) == {}
        step.result = f"{len(found)} checks, nothing is left behind"


def test_an_interrupted_run_deletes_its_stack(
    ministack: MiniStack, clusters: LocalClusters, table: Table
) -> None:
    with table.step("blocks acceptance, Ctrl-C during the deploy") as step:
        with subprocess.Popen(
            command("--only", "dialect-probe"),
            cwd=ROOT,
            env=environment(ministack, clusters),
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stderr is not None
            said = []
            for line in running.stderr:
                said.append(line)
                if line.startswith("cdk deploy"):
                    while NAME not in ministack.stacks():
                        assert running.poll() is None, said
                    running.send_signal(signal.SIGINT)
                    break
            said += [*running.stderr]
            assert running.wait(120) == ExitCode.INTERRUPTED, said
        assert any("interrupted" in line for line in said)
        assert ministack.stacks() == {}
        step.result = "exit code 130, nothing is left behind"
