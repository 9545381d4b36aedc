"""Tables of a local deploy: created, used with the permissions of the function's role, deleted."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb

from blocks import AtomicTable
from blocks_cli.errors import CommandError
from blocks_cli.local import LocalDeployment
from blocks_cli.synth import synthesize
from local_dynamodb import LocalDynamo
from tests.end_to_end.conftest import REGION, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """The example with a rate limiter and a job lease, deployed."""
    folder = tmp_path_factory.mktemp("limits")
    command = f"{sys.executable} -m examples.rate_limit.app"
    assembly = synthesize(ROOT, folder / "cdk.out", REGION, command)
    with LocalDeployment.deploy(assembly, folder, region=REGION) as deployment:
        yield deployment


def test_a_rate_limiter_serves_five_requests(example: LocalDeployment) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: example.invoke("Api", {"client": "ann"}).payload, range(12)))
    # A minute may end in between, and begin another five.
    served = sum(answer == {"status": 200} for answer in answers)
    assert served in range(5, 11)
    assert served == 5 or {"status": 429} in answers
    assert example.invoke("Api", {"client": "bob"}).payload == {"status": 200}


def test_one_process_has_the_lease(example: LocalDeployment) -> None:
    assert example.invoke("Nightly", {"while_it_runs": True}).payload == {"ran": False}
    assert example.invoke("Nightly", {}).payload == {"ran": True}


def test_a_write_without_the_grant_is_refused(example: LocalDeployment) -> None:
    example.invoke("Nightly", {})
    answer = example.invoke("Report", {}).payload
    assert isinstance(answer, dict)
    assert answer["report"] is True
    assert "not authorized to perform: dynamodb:PutItem" in str(answer["refused"])
    assert "grant_read_write" in str(answer["refused"])


def assembly_of(folder: Path, **options: object) -> Path:
    app = cdk.App(outdir=str(folder / "cdk.out"))
    stack = cdk.Stack(app, "T", env=cdk.Environment(account="123456789012", region=REGION))
    AtomicTable(stack, "locks", **options)  # type: ignore[arg-type]
    app.synth()
    return folder / "cdk.out"


def tables_in(folder: Path) -> list[str]:
    with LocalDynamo(folder / ".blocks" / "dynamodb") as dynamo:
        return dynamo.tables()


def test_a_table_goes_with_its_stack(tmp_path: Path) -> None:
    assembly = assembly_of(tmp_path, removal_policy=cdk.RemovalPolicy.DESTROY)
    with LocalDeployment.deploy(assembly, tmp_path, region=REGION) as deployment:
        assert len(tables_in(tmp_path)) == 1
        deployment.destroy()
    assert tables_in(tmp_path) == []


def test_replicas_are_tables_of_their_regions(tmp_path: Path) -> None:
    with LocalDeployment.deploy(assembly_of(tmp_path, replicas=["us-east-2"]), tmp_path, region=REGION):
        found = tables_in(tmp_path)
    assert {name.partition("/")[0] for name in found} == {REGION, "us-east-2"}


def test_a_table_with_an_index_is_refused_with_the_reason(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path / "cdk.out"))
    stack = cdk.Stack(app, "T", env=cdk.Environment(account="123456789012", region=REGION))
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    table = dynamodb.TableV2(stack, "Table", partition_key=key)
    other = dynamodb.Attribute(name="other", type=dynamodb.AttributeType.STRING)
    table.add_global_secondary_index(index_name="others", partition_key=other)
    app.synth()
    with pytest.raises(CommandError, match="Secondary indexes are not available locally"):
        LocalDeployment.deploy(tmp_path / "cdk.out", tmp_path, region=REGION)
