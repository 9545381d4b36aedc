"""A running session over a small project."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from blocks_cli.dev.session import DevSession
from tests.support.dev_project import DevProject, function_url, http_api
from tests.support.recording_report import RecordingReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANDLER = """
import json, os
from shared import word

def handler(event, context):
    body = {"event": event, "word": word, "environ": dict(os.environ)}
    return {"statusCode": 200, "headers": {"x-word": word}, "body": json.dumps(body)}
"""


@dataclass
class Dev:
    """A project with its session."""

    project: DevProject
    report: RecordingReport = field(default_factory=RecordingReport)
    resources: ExitStack = field(default_factory=ExitStack)

    def start(self) -> DevSession:
        """Start the session and deploy."""
        session = DevSession(self.project.folder, self.report, self.project.synthesize, "eu-west-1")
        self.session = self.resources.enter_context(session)
        self.session.deploy()
        return self.session

    def url(self, kind: str = "url") -> str:
        """Return the URL of the only endpoint of a kind."""
        (found,) = [each.url for each in self.session.endpoints() if each.kind == kind]
        return found


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    more = {
        "Url": function_url("Orders"),
        **http_api({"GET /orders/{id}": "Orders", "POST /orders": "Orders"}),
    }
    project = DevProject(tmp_path, {"Orders": "orders.handler"}, more)
    project.write("functions/orders.py", HANDLER)
    project.write("functions/shared.py", "word = 'first'\n")
    project.write("app.py", "")
    made = Dev(project)
    with made.resources:
        yield made
