"""A project whose app is synthesized without the CDK, for `DevSession`."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.lambda_functions import THIS_PYTHON

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.json_value import Json

ROLE: Json = {"Type": "AWS::IAM::Role", "Properties": {}}


@dataclass
class DevProject:
    """A folder with handlers in `functions/`; `handlers` are the functions by logical id.

    `more` are further resources of its template. `synths` counts the runs of the app.
    """

    folder: Path
    handlers: dict[str, str]
    more: dict[str, Json] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    memory: int = 512
    timeout: int = 10
    synths: int = 0

    def write(self, name: str, source: str) -> None:
        """Write a file of the project."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, "utf-8")

    def synthesize(self) -> Path:
        """Write the assembly, as the app would."""
        self.synths += 1
        output = self.folder / "cdk.out"
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        key = self._stage(output)
        (output / "S.template.json").write_text(json.dumps(self._template(key)))
        files: Json = {
            key: {
                "source": {"path": f"asset.{key}", "packaging": "zip"},
                "destinations": {"d": {"objectKey": f"{key}.zip"}},
            }
        }
        (output / "S.assets.json").write_text(json.dumps({"files": files}))
        artifacts: Json = {
            "S.assets": {"type": "cdk:asset-manifest", "properties": {"file": "S.assets.json"}},
            "S": {
                "type": "aws:cloudformation:stack",
                "environment": "aws://unknown-account/unknown-region",
                "properties": {"templateFile": "S.template.json"},
                "dependencies": ["S.assets"],
            },
        }
        (output / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
        return output

    def _stage(self, output: Path) -> str:
        source = self.folder / "functions"
        content = b"".join(
            f"{file.relative_to(source)}".encode() + file.read_bytes()
            for file in sorted(source.rglob("*"))
            if file.is_file()
        )
        key = hashlib.sha256(content).hexdigest()
        shutil.copytree(source, output / f"asset.{key}")
        return key

    def _template(self, key: str) -> Json:
        functions = {name: self._function(handler, key) for name, handler in self.handlers.items()}
        return {"Resources": {"Role": ROLE, **functions, **self.more}}

    def _function(self, handler: str, key: str) -> Json:
        return {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Code": {"S3Bucket": "b", "S3Key": f"{key}.zip"},
                "Handler": handler,
                "Runtime": THIS_PYTHON,
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Timeout": self.timeout,
                "MemorySize": self.memory,
                "Environment": {"Variables": dict(self.variables)},
            },
        }


def function_url(function: str, **properties: Json) -> Json:
    """Return a function URL for a template."""
    target: Json = {"Fn::GetAtt": [function, "Arn"]}
    return {
        "Type": "AWS::Lambda::Url",
        "Properties": {"TargetFunctionArn": target, "AuthType": "NONE", **properties},
    }


def http_api(routes: dict[str, str], **properties: Json) -> dict[str, Json]:
    """Return the resources of an HTTP API; `routes` are the functions by route key."""
    resources: dict[str, Json] = {
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"ProtocolType": "HTTP", **properties}},
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True},
        },
    }
    for number, (key, function) in enumerate(routes.items()):
        resources[f"Integration{number}"] = {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": {"Fn::GetAtt": [function, "Arn"]},
                "PayloadFormatVersion": "2.0",
            },
        }
        target: Json = {"Fn::Join": ["", ["integrations/", {"Ref": f"Integration{number}"}]]}
        resources[f"Route{number}"] = {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {"ApiId": {"Ref": "Api"}, "RouteKey": key, "Target": target},
        }
    return resources
