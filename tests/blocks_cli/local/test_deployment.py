"""Local deployment of an app: deploys, failures, invocations, destroy."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.local import Action, LocalDeployment, Report
from tests.support.recording_report import RecordingReport
from tests.support.sample_app import SampleApp, synthesize

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.json_value import Json


@pytest.fixture
def sample_app(tmp_path: Path) -> SampleApp:
    return SampleApp(tmp_path / "journal")


def deploy(sample_app: SampleApp, folder: Path, report: Report | None = None) -> LocalDeployment:
    """Synthesize one version of the app and deploy it into `folder`."""
    number = len(list(folder.glob("cdk.out.*")))
    return LocalDeployment.deploy(synthesize(sample_app, folder / f"cdk.out.{number}"), folder, report=report)


def events(sample_app: SampleApp) -> list[dict[str, Json]]:
    """Return the events that the handler of the custom resource received."""
    return [json.loads(line) for line in sample_app.journal.read_text().splitlines()]


def changed(deployment: LocalDeployment, stack: str = "Lab") -> list[tuple[Action, str, tuple[str, ...]]]:
    """Return the changes of a deploy, without unchanged resources."""
    return [
        (c.action, c.path, c.properties) for c in deployment.changes[stack] if c.action is not Action.KEEP
    ]


def environ(deployment: LocalDeployment, function: str) -> dict[str, Json]:
    """Return the environment variables of a function."""
    payload = deployment.invoke(function).payload
    assert isinstance(payload, dict)
    assert isinstance(payload["environ"], dict)
    return payload["environ"]


def test_first_deploy(sample_app: SampleApp, tmp_path: Path) -> None:
    report = RecordingReport()
    with deploy(replace(sample_app, cluster=True), tmp_path, report) as deployment:
        cluster = deployment.clusters[0]
        seen = environ(deployment, "Hello")
        assert seen["BLOCKS_MAIN_ENDPOINT"] == cluster.endpoint()
        assert seen["BLOCKS_MAIN_CA"] == str(cluster.ca_file)
        assert str(seen["QUEUE"]).startswith("arn:aws:sqs:us-east-1:000000000000:")
        assert environ(deployment, "Far")["ELSEWHERE"] == deployment.functions[0].arn, (
            "a reference across stacks"
        )
        assert deployment.outputs["Lab"]["Said"] == "hello", "the handler's Data"
        assert deployment.outputs["Lab"]["Authority"] == str(cluster.ca_file)
        assert "Lab/Queue: AWS::SQS::Queue is not available locally; a placeholder is used" in report.notes
    [event] = events(sample_app)
    assert event["RequestType"] == "Create"
    assert event["ResourceType"] == "Custom::Thing"
    assert event["StackId"] == "arn:aws:cloudformation:us-east-1:000000000000:stack/Lab/local"
    properties = event["ResourceProperties"]
    assert isinstance(properties, dict)
    assert properties["Number"] == "7", "CloudFormation hands over text"
    assert properties["ServiceToken"] == event["ServiceToken"]


def test_second_deploy_does_only_what_changed(sample_app: SampleApp, tmp_path: Path) -> None:
    deploy(sample_app, tmp_path).close()
    with deploy(sample_app, tmp_path) as same:
        assert changed(same) == []
    with deploy(replace(sample_app, greeting="good night"), tmp_path) as greeted:
        assert changed(greeted) == [(Action.UPDATE, "Lab/Hello", ("Environment",))]
        assert environ(greeted, "Hello")["GREETING"] == "good night"
    with deploy(replace(sample_app, greeting="good night", say="bye"), tmp_path) as said:
        assert changed(said) == [(Action.UPDATE, "Lab/Thing", ("Say",))]
        assert said.outputs["Lab"]["Said"] == "bye"
    assert [event["RequestType"] for event in events(sample_app)] == ["Create", "Update"]
    update = events(sample_app)[1]
    assert update["PhysicalResourceId"] == "thing"
    old = update["OldResourceProperties"]
    assert isinstance(old, dict)
    assert old["Say"] == "hello"


def test_a_removed_resource_gets_a_delete_event(sample_app: SampleApp, tmp_path: Path) -> None:
    deploy(sample_app, tmp_path).close()
    with deploy(replace(sample_app, custom=False), tmp_path) as without:
        assert changed(without) == [(Action.DELETE, "Lab/Thing", ())]
        assert "Said" not in without.outputs["Lab"]
    assert [(e["RequestType"], e.get("PhysicalResourceId")) for e in events(sample_app)] == [
        ("Create", None),
        ("Delete", "thing"),
    ]


def test_a_new_physical_id_is_a_replacement(sample_app: SampleApp, tmp_path: Path) -> None:
    deploy(sample_app, tmp_path).close()
    deploy(replace(sample_app, name="other"), tmp_path).close()
    assert [(e["RequestType"], e.get("PhysicalResourceId")) for e in events(sample_app)] == [
        ("Create", None),
        ("Update", "thing"),
        ("Delete", "thing"),
    ]


@pytest.mark.parametrize(
    ("do", "why"),
    [
        ("fail", "042_seats.sql:3:1: TRUNCATE is refused"),
        ("crash", "RuntimeError: out of luck"),
        ("silent", "the handler returned without a response to its ResponseURL"),
    ],
)
def test_a_custom_resource_that_fails_stops_the_deploy_and_a_corrected_one_resumes(
    sample_app: SampleApp, tmp_path: Path, do: str, why: str
) -> None:
    with pytest.raises(CommandError) as failure:
        deploy(replace(sample_app, do=do), tmp_path)
    assert failure.value.what == "Lab/Thing (Custom::Thing): Create failed"
    assert failure.value.why == why
    assert failure.value.code is ExitCode.MIGRATION_FAILED
    with deploy(sample_app, tmp_path) as corrected:
        assert changed(corrected)[0] == (Action.CREATE, "Lab/Thing", ()), "what came before it is done"
    assert [event["RequestType"] for event in events(sample_app)] == ["Create", "Create"]


def test_a_failed_update_leaves_the_resource_as_it_was(sample_app: SampleApp, tmp_path: Path) -> None:
    deploy(sample_app, tmp_path).close()
    with pytest.raises(CommandError, match="Update failed"):
        deploy(replace(sample_app, do="fail", say="new"), tmp_path)
    with LocalDeployment.open(tmp_path) as before:
        assert before.outputs["Lab"]["Said"] == "hello"
    with deploy(replace(sample_app, say="newer"), tmp_path) as corrected:
        assert changed(corrected) == [(Action.UPDATE, "Lab/Thing", ("Say",))]
    old = events(sample_app)[-1]["OldResourceProperties"]
    assert isinstance(old, dict)
    assert old["Say"] == "hello", "the last that succeeded"


def test_a_handler_may_invoke_itself(sample_app: SampleApp, tmp_path: Path) -> None:
    with deploy(replace(sample_app, do="again"), tmp_path) as deployment:
        assert deployment.outputs["Lab"]["Said"] == "hello"
    assert ["Second" in event for event in events(sample_app)] == [False, True]


def test_open_starts_an_existing_deployment(sample_app: SampleApp, tmp_path: Path) -> None:
    with deploy(replace(sample_app, cluster=True), tmp_path) as deployment:
        paths = [function.path for function in deployment.functions]
    assert paths == ["Lab/Hello", "Lab/Handler", "Other/Far"]
    with LocalDeployment.open(tmp_path) as again:
        assert [function.path for function in again.functions] == paths
        assert environ(again, "Hello")["BLOCKS_MAIN_ENDPOINT"] == again.clusters[0].endpoint()


@pytest.mark.slow
def test_a_removed_database_is_created_again_and_migrated(sample_app: SampleApp, tmp_path: Path) -> None:
    sample_app = replace(sample_app, cluster=True)
    deploy(sample_app, tmp_path).close()
    shutil.rmtree(tmp_path / ".blocks" / "local" / "main")
    with pytest.raises(CommandError, match="not the deployed one"):
        LocalDeployment.open(tmp_path)
    with deploy(sample_app, tmp_path) as again:
        steps = {path: (action, properties) for action, path, properties in changed(again)}
    assert steps["Lab/main"] == (Action.CREATE, ())
    assert steps["Lab/Thing"] == (Action.UPDATE, ("Endpoint",))
    assert [event["RequestType"] for event in events(sample_app)] == ["Create", "Update"]


@pytest.mark.slow
def test_a_moved_endpoint_is_updated_everywhere(sample_app: SampleApp, tmp_path: Path) -> None:
    """Another program uses the old port; no handler runs again because of that."""
    sample_app = replace(sample_app, cluster=True)
    with deploy(sample_app, tmp_path) as deployment:
        port = int(deployment.clusters[0].endpoint().rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        with deploy(sample_app, tmp_path) as moved:
            endpoint = moved.clusters[0].endpoint()
            assert endpoint != f"localhost:{port}"
            assert changed(moved) == []
            assert environ(moved, "Hello")["BLOCKS_MAIN_ENDPOINT"] == endpoint
    assert [event["RequestType"] for event in events(sample_app)] == ["Create"]


def test_functions_are_found_by_all_of_their_names(sample_app: SampleApp, tmp_path: Path) -> None:
    with deploy(replace(sample_app, custom=False), tmp_path) as deployment:
        hello = deployment.functions[0]
        for name in ("Hello", "Lab/Hello", hello.logical_id, hello.name, hello.arn):
            payload = deployment.invoke(name, {"n": 1}).payload
            assert isinstance(payload, dict)
            assert payload["event"] == {"n": 1}
        with pytest.raises(CommandError, match="no function named Helo") as unknown:
            deployment.invoke("Helo")
        assert unknown.value.remedy == "did you mean Lab/Hello?"
        with pytest.raises(CommandError, match="no function named Hello"):
            deployment.invoke("Hello", stack="Other")
        with pytest.raises(CommandError, match="no stack named Othr has a function") as no_stack:
            deployment.invoke("Hello", stack="Othr")
        assert "Other" in no_stack.value.remedy
        with pytest.raises(CommandError, match="not JSON"):
            deployment.invoke("Hello", {"when": object()})  # type: ignore[dict-item]


def test_invoking_a_function_needs_the_permission(sample_app: SampleApp, tmp_path: Path) -> None:
    """The handler's role may invoke only the handler; Hello's role may invoke no function."""
    with deploy(replace(sample_app, custom=False), tmp_path) as deployment:
        hello, handler = deployment.functions[:2]
        seen = environ(deployment, "Hello")
        client = boto3.client(
            "lambda",
            endpoint_url=str(seen["AWS_ENDPOINT_URL_LAMBDA"]),
            region_name="us-east-1",
            aws_access_key_id=str(seen["AWS_ACCESS_KEY_ID"]),
            aws_secret_access_key=str(seen["AWS_SECRET_ACCESS_KEY"]),
            aws_session_token=str(seen["AWS_SESSION_TOKEN"]),
        )
        with pytest.raises(ClientError, match="AccessDeniedException"):
            client.invoke(FunctionName=handler.arn, Payload=b"{}")
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            client.invoke(FunctionName="unknown", Payload=b"{}")
        keys = deployment._account.credentials_of(handler.role_arn)
        own = boto3.client(
            "lambda",
            endpoint_url=str(seen["AWS_ENDPOINT_URL_LAMBDA"]),
            region_name="us-east-1",
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token,
        )
        answer = own.invoke(FunctionName=handler.name, Payload=b"{}", LogType="Tail")
        assert answer["FunctionError"] == "Unhandled"
        assert json.load(answer["Payload"])["errorType"] == "KeyError"
        with pytest.raises(ClientError, match="AccessDeniedException"):
            own.invoke(FunctionName=hello.name, Payload=b"{}")


def test_destroy_deletes_in_reverse_order_and_removes_the_state(
    sample_app: SampleApp, tmp_path: Path
) -> None:
    deploy(sample_app, tmp_path).close()
    with LocalDeployment.open(tmp_path) as deployment:
        done = deployment.destroy()
    assert list(done) == ["Other", "Lab"]
    assert [event["RequestType"] for event in events(sample_app)] == ["Create", "Delete"]
    deleted = [change.path for change in done["Lab"]]
    assert (
        deleted.index("Lab/Thing") < deleted.index("Lab/Handler") < deleted.index("Lab/Handler/ServiceRole")
    )
    with pytest.raises(CommandError, match="nothing is deployed"):
        LocalDeployment.open(tmp_path)


def test_a_concurrent_deploy_is_refused(sample_app: SampleApp, tmp_path: Path) -> None:
    assembly = synthesize(sample_app, tmp_path / "cdk.out")

    class Impatient(Report):
        def planned(self, stack: str, changes: object) -> None:
            with pytest.raises(CommandError, match="another deploy is running"):
                LocalDeployment.deploy(assembly, tmp_path)

    LocalDeployment.deploy(assembly, tmp_path, report=Impatient()).close()


def test_an_unknown_parameter_is_refused(sample_app: SampleApp, tmp_path: Path) -> None:
    assembly = synthesize(sample_app, tmp_path / "cdk.out")
    with pytest.raises(CommandError, match="parameter Sise: unknown") as refused:
        LocalDeployment.deploy(assembly, tmp_path, parameters={"Sise": "1"})
    assert "have: " in refused.value.why


def test_local_files_are_ignored_by_git(sample_app: SampleApp, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    subprocess.run(["git", "init", "--quiet", project], check=True)
    with LocalDeployment.deploy(synthesize(sample_app, tmp_path / "cdk.out"), project):
        status = ["git", "-C", str(project), "status", "--porcelain", "--untracked-files=all"]
        assert subprocess.run(status, capture_output=True, check=True).stdout == b""
