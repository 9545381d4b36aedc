"""Templates with custom resources whose handler records its events, deployed without the CDK."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_cli.local import LocalDeployment
from tests.support.journal import url_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from blocks_cli.json_value import Json
    from blocks_cli.local import Report

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""Runtime of the functions: this interpreter."""

HANDLER = """
import json, os, urllib.request

def handler(event, context):
    kind, name, properties = event["RequestType"], event["LogicalResourceId"], event["ResourceProperties"]
    known = event.get("PhysicalResourceId")
    rows = urllib.request.urlopen(properties["Journal"]).read().splitlines()
    made = sum(json.loads(line)["made"] == name for line in rows)
    fails = properties.get("Fails", "")
    new = {"fresh": f"{name}#{made + 1}", "value": f"{name}={properties['Value']}", "same": name}
    answer = known if kind == "Delete" or "known" in fails else new[properties["Ids"]]
    failed = ("Delete" in fails) if kind == "Delete" else bool(fails) and "Delete" not in fails
    old = event.get("OldResourceProperties", {}).get("Value")
    change = f" {old}>{properties['Value']}" if kind == "Update" else ""
    text = f"{kind} {name}{change}: {known or 'none'}"
    text += f" -> {answer}" if kind != "Delete" and fails != "crash" else ""
    text += " FAILED" if failed else ""
    row = {"text": text, "made": "" if kind == "Delete" else name, "event": event}
    urllib.request.urlopen(properties["Journal"], data=json.dumps(row).encode() + b"\\n")
    if fails == "crash" and kind != "Delete":
        raise RuntimeError("out of memory")
    answer = {
        "Status": "FAILED" if failed else "SUCCESS", "PhysicalResourceId": answer, "Reason": "as asked",
        "StackId": event["StackId"], "RequestId": event["RequestId"], "LogicalResourceId": name}
    urllib.request.urlopen(urllib.request.Request(
        event["ResponseURL"], data=json.dumps(answer).encode(), method="PUT"))
"""


@dataclass(frozen=True)
class Thing:
    """A custom resource. `ids` says which physical id its handler answers: `fresh`, `value` or `same`.

    `fails` makes the handler answer FAILED: to Create and Update (`new`, or with the `known` id), or to `Delete`; or
    it ends without an answer (`crash`). `needs` are the resources that it depends on.
    """

    value: str = "1"
    ids: str = "fresh"
    fails: str = ""
    needs: tuple[str, ...] = ()


@dataclass
class HandlerApp:
    """An app in a folder, deployed in versions; `seen` is the number of the events that were read."""

    folder: Path
    seen: int = 0
    versions: int = field(default=0)

    def deploy(
        self,
        things: Mapping[str, Thing],
        *,
        rollback: str = "none",
        report: Report | None = None,
        more: Mapping[str, Json] | None = None,
    ) -> CommandError | None:
        """Deploy the stack `S` with these custom resources and `more` resources; return the failure."""
        template: Json = {"Resources": {**self.resources(things), **(more or {})}}
        try:
            LocalDeployment.deploy(
                self.assembly({"S": template}), self.folder, rollback=rollback, report=report
            ).close()
        except CommandError as error:
            return error
        return None

    def assembly(
        self, templates: Mapping[str, Json], needs: Mapping[str, Sequence[str]] | None = None
    ) -> Path:
        """Write an assembly with these templates by stack name; `needs` are the stacks that a stack depends on."""
        self.versions += 1
        folder = self.folder / f"cdk.out.{self.versions}"
        folder.mkdir()
        artifacts: dict[str, Json] = {}
        for name, template in templates.items():
            (folder / f"{name}.template.json").write_text(json.dumps(template))
            artifacts[name] = {
                "type": "aws:cloudformation:stack",
                "environment": "aws://unknown-account/unknown-region",
                "properties": {"templateFile": f"{name}.template.json"},
                "dependencies": [*(needs or {}).get(name, ())],
            }
        (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
        return folder

    def destroy(self) -> CommandError | None:
        """Destroy the stack; return the failure."""
        try:
            with LocalDeployment.open(self.folder) as deployment:
                deployment.destroy()
        except CommandError as error:
            return error
        return None

    def events(self) -> list[str]:
        """Return the events that the handler got since the last call."""
        rows = self._rows()
        new, self.seen = rows[self.seen :], len(rows)
        return [str(row["text"]) for row in new]

    def requests(self) -> list[dict[str, Json]]:
        """Return all events as they were sent."""
        return [row["event"] for row in self._rows()]  # type: ignore[misc]

    @property
    def journal(self) -> Path:
        """File to which the handler appends its events."""
        return self.folder / "journal"

    def _rows(self) -> list[dict[str, Json]]:
        return (
            [json.loads(line) for line in self.journal.read_text().splitlines()]
            if self.journal.exists()
            else []
        )

    def resources(self, things: Mapping[str, Thing]) -> dict[str, Json]:
        """Return the resources of a template: the handler and these custom resources."""
        handler: dict[str, Json] = {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {}},
            "Handler": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Code": {"ZipFile": HANDLER},
                    "Handler": "index.handler",
                    "Runtime": PYTHON,
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Timeout": 20,
                },
            },
        }
        return handler | {name: self.resource(thing) for name, thing in things.items()}

    def resource(self, thing: Thing) -> Json:
        """Return a custom resource for a template."""
        properties: dict[str, Json] = {
            "ServiceToken": {"Fn::GetAtt": ["Handler", "Arn"]},
            "Journal": url_of(self.journal),
            "Value": thing.value,
            "Ids": thing.ids,
        }
        if thing.fails:
            properties["Fails"] = thing.fails
        return {"Type": "Custom::Thing", "Properties": properties, "DependsOn": [*thing.needs]}
