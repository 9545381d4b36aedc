"""The example in two Regions: the peer alone, both clusters, use from both Regions, destroy."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import aws_cdk as cdk
import psycopg
import pytest

from blocks_cli.local import LocalDeployment
from blocks_cli.local.plan import Action
from examples.two_regions.stacks import HOME, PEER, WITNESS, add_hotel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNT = "123456789012"


class Hotel(NamedTuple):
    """The deployed app, and the result of a function while only the peer was deployed."""

    deployment: LocalDeployment
    alone: str


def synthesize(folder: Path) -> Path:
    app = cdk.App(outdir=str(folder), context={"aws:cdk:enable-path-metadata": True})
    add_hotel(app, ACCOUNT, cdk.RemovalPolicy.DESTROY)
    app.synth()
    return folder


@pytest.fixture(scope="module")
def hotel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hotel]:
    assembly, root = synthesize(tmp_path_factory.mktemp("hotel.out")), tmp_path_factory.mktemp("hotel")
    with LocalDeployment.deploy(assembly, root, stacks=("HotelOhio",)) as peer:
        alone = peer.invoke("HotelOhio/Rooms").error_message or ""
    with LocalDeployment.deploy(assembly, root) as deployment:
        yield Hotel(deployment, alone)


@pytest.fixture
def deployed(hotel: Hotel) -> LocalDeployment:
    return hotel.deployment


def book(deployment: LocalDeployment, stack: str, room: str, guest: str, hesitate: float = 0.0) -> object:
    event: dict[str, object] = {"room": room, "guest": guest, "hesitate": hesitate}
    result = deployment.invoke(f"{stack}/Book", event)  # type: ignore[arg-type]
    assert not result.failed, result.error_message
    return result.payload


def rooms(deployment: LocalDeployment, stack: str) -> dict[str, object]:
    result = deployment.invoke(f"{stack}/Rooms")
    assert isinstance(result.payload, dict), result.error_message
    return {number: guest for number, guest in result.payload.items() if guest}


def test_the_peer_alone_takes_no_connections(hotel: Hotel) -> None:
    assert "Connection refused" in hotel.alone


def test_it_is_one_database_with_an_endpoint_in_each_region(deployed: LocalDeployment) -> None:
    (cluster,) = deployed.clusters
    assert set(cluster.regions) == {HOME, PEER}
    endpoints = {
        f.path: f.environment["BLOCKS_MAIN_ENDPOINT"] for f in deployed.functions if "main" not in f.path
    }
    assert endpoints == {
        "HotelOhio/Book": cluster.endpoint(PEER),
        "HotelOhio/Rooms": cluster.endpoint(PEER),
        "HotelVirginia/Book": cluster.endpoint(HOME),
        "HotelVirginia/Rooms": cluster.endpoint(HOME),
    }
    assert not any(WITNESS in f.arn for f in deployed.functions)


def test_migrations_and_grants_ran_once(deployed: LocalDeployment) -> None:
    assert deployed.migrations_applied == ("001_create_rooms", "002_open_rooms")
    with psycopg.connect(deployed.clusters[0].dsn(PEER)) as connection:
        grants = connection.execute("SELECT arn FROM sys.iam_pg_role_mappings").fetchall()
    assert len(grants) == 4
    assert len({arn for (arn,) in grants}) == 4


def test_each_region_sees_what_the_other_wrote(deployed: LocalDeployment) -> None:
    assert book(deployed, "HotelOhio", "101", "Ada") == {"guest": "Ada", "attempts": 1}
    assert rooms(deployed, "HotelVirginia")["101"] == "Ada"
    assert book(deployed, "HotelVirginia", "102", "Grace") == {"guest": "Grace", "attempts": 1}
    assert rooms(deployed, "HotelOhio")["102"] == "Grace"


def test_the_later_commit_loses_the_conflict_between_regions(deployed: LocalDeployment) -> None:
    """The race is repeated with longer delays until the two transactions overlap."""
    (cluster,) = deployed.clusters
    met = ({"guest": "Quick", "attempts": 2}, {"guest": "Quick", "attempts": 1})
    for room in range(110, 116):
        with ThreadPoolExecutor(1) as threads:
            hesitation = 0.5 * (room - 108)
            slow = threads.submit(book, deployed, "HotelVirginia", str(room), "Slow", hesitation)
            time.sleep(hesitation / 3)
            quick = book(deployed, "HotelOhio", str(room), "Quick")
            outcomes = (slow.result(), quick)
        if outcomes == met:
            break
    assert outcomes == met
    losers = {conflict.loser.partition("#")[0] for conflict in cluster.conflicts()}
    assert losers == {f"blocks_main_read_write@{HOME}"}


def test_one_region_down_leaves_the_other_working(deployed: LocalDeployment) -> None:
    (cluster,) = deployed.clusters
    cluster.stop_region(HOME)
    try:
        assert deployed.invoke("HotelVirginia/Rooms").failed
        assert book(deployed, "HotelOhio", "120", "Edith") == {"guest": "Edith", "attempts": 1}
    finally:
        cluster.start_region(HOME)
    assert rooms(deployed, "HotelVirginia")["120"] == "Edith"


@pytest.mark.slow
def test_a_second_deploy_changes_nothing_and_destroying_it_goes_in_the_right_order(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assembly = synthesize(tmp_path_factory.mktemp("again.out"))
    with LocalDeployment.deploy(assembly, tmp_path):
        pass
    with LocalDeployment.deploy(assembly, tmp_path) as again:
        steps = [change.action for changes in again.changes.values() for change in changes]
        assert set(steps) == {Action.KEEP}
        assert rooms(again, "HotelOhio") == {}
        assert [*again.destroy()] == ["HotelVirginia", "HotelOhio"]
    assert [*(tmp_path / ".blocks" / "local").iterdir()] == []
