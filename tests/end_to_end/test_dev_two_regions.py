"""`blocks dev` of the example in two Regions: a URL in each, one database."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_

from blocks_cli.dev.session import DevSession
from examples.two_regions.stacks import HOME, PEER, add_hotel
from tests.support.http_requests import fetch
from tests.support.recording_report import RecordingReport

if TYPE_CHECKING:
    from pathlib import Path

WEB = """
import json
from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")

def handler(event, context):
    if event["requestContext"]["http"]["method"] == "POST":
        db.execute(sql("UPDATE rooms SET guest = {guest} WHERE number = {room}", **json.loads(event["body"])))
    return {row["number"]: row["guest"] for row in db.query(sql("SELECT number, guest FROM rooms"))}
"""


def synthesize(root: Path) -> Path:
    """Return the assembly of the example with a function URL in each Region."""
    output = root / "cdk.out"
    shutil.rmtree(output, ignore_errors=True)
    app = cdk.App(outdir=str(output), context={"aws:cdk:enable-path-metadata": True})
    db = add_hotel(app, "123456789012", cdk.RemovalPolicy.DESTROY)
    for name in ("HotelOhio", "HotelVirginia"):
        stack = app.node.find_child(name)
        assert isinstance(stack, cdk.Stack)
        web = lambda_.Function(
            stack,
            "Web",
            runtime=lambda_.Runtime.PYTHON_3_14,
            code=lambda_.Code.from_asset(str(root / "functions"), exclude=["**/__pycache__"]),
            handler="web.handler",
            memory_size=512,
            timeout=cdk.Duration.seconds(30),
        )
        web.add_function_url(auth_type=lambda_.FunctionUrlAuthType.NONE)
        db.grant_connect(web)
    app.synth()
    return output


@pytest.mark.slow
def test_both_urls_are_served_and_write_to_one_database(tmp_path: Path) -> None:
    web = tmp_path / "functions" / "web.py"
    web.parent.mkdir()
    web.write_text(WEB)
    with DevSession(tmp_path, RecordingReport(), lambda: synthesize(tmp_path), HOME) as session:
        session.deploy()
        urls = {each.region: f"{each.url}/" for each in session.endpoints()}
        assert urls.keys() == {HOME, PEER}
        for number, (region, url) in enumerate(urls.items()):
            free = _rooms(url)
            room = next(name for name, guest in free.items() if guest is None)
            event = json.dumps({"room": room, "guest": f"guest {number}"}).encode()
            assert fetch(url, data=event, headers={"content-type": "application/json"})[0] == 200, region
            for other in urls.values():
                assert _rooms(other)[room] == f"guest {number}"
        web.write_text(WEB.replace('row["guest"] for', '"changed" for'))
        outcome = session.change({"functions/web.py"})
        assert {change.path for change in outcome.changes} == {"HotelOhio/Web", "HotelVirginia/Web"}
        assert not outcome.synthesized
        assert {guest for url in urls.values() for guest in _rooms(url).values()} == {"changed"}


def _rooms(url: str) -> dict[str, str | None]:
    status, _, body = fetch(url)
    assert status == 200, body
    rooms: dict[str, str | None] = json.loads(body)
    return rooms
