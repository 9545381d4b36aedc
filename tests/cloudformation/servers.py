"""MiniStack as a process of the tests, and the CDK command line and boto3 against it."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from local_dsql import Credentials
from local_dsql.tls.store import CertificateStore
from tests.cloudformation.app import ACCOUNT, HOME, PEER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PYTHON = ROOT / ".venv-ministack" / "bin" / "python"
CDK = ROOT / "node_modules" / ".bin" / "cdk"

ROOT_USER = Credentials("test", "test", None)
"""MiniStack's root user. CDK assumes the roles of the bootstrap with it; functions have roles of their own."""
KEYS = {"AWS_ACCESS_KEY_ID": ROOT_USER.access_key_id, "AWS_SECRET_ACCESS_KEY": ROOT_USER.secret_access_key}

_START = 60.0
_COMMAND = 300.0


@dataclass(frozen=True, slots=True)
class Run:
    """A finished command: exit code, output of both streams without colours, seconds."""

    code: int
    output: str
    seconds: float


class MiniStack:
    """A running MiniStack."""

    def __init__(self, url: str, folder: Path, authority: Path) -> None:
        self.url = url
        self._folder = folder
        self._authority = authority

    def client(self, service: str, region: str = HOME, credentials: Credentials = ROOT_USER) -> Any:
        """Return boto3's client for a service, by default as MiniStack's root user."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            verify=str(self._authority),
            config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
        )

    def cdk(self, *arguments: str, migrations: Path | None = None, **context: str) -> Run:
        """Run the CDK command line on the app with this context."""
        options = [item for name, value in context.items() for item in ("-c", f"{name}={value}")]
        app = [
            "--app",
            f"{sys.executable} -m tests.cloudformation.app",
            "--output",
            str(self._folder / "cdk.out"),
        ]
        environ = self.environment() | {
            "CI": "1",
            "NO_COLOR": "1",
            "CDK_DISABLE_VERSION_CHECK": "1",
            "CDK_VALIDATION": "false",
            "MIGRATIONS": str(migrations or self._folder),
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        }
        started = time.monotonic()
        done = subprocess.run(
            [CDK, arguments[0], *app, *arguments[1:], *options],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND,
            check=False,
        )
        return Run(done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout), time.monotonic() - started)

    def environment(self) -> dict[str, str]:
        """Return the environment of a program that uses this AWS as its root user."""
        return {
            **os.environ,
            **KEYS,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CA_BUNDLE": str(self._authority),
            "AWS_REGION": HOME,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def bootstrap(self) -> Run:
        """Run `cdk bootstrap` for both Regions."""
        return self.cdk("bootstrap", *(f"aws://{ACCOUNT}/{region}" for region in (HOME, PEER)))

    def invoke(self, function: str, event: Mapping[str, object]) -> Any:
        """Return what a function returned, or the message of its error as an InvocationError."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
        result = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise InvocationError(str(result))
        return result

    def stacks(self, region: str = HOME) -> dict[str, str]:
        """Return the status of each stack of the app that exists."""
        found = self.client("cloudformation", region).describe_stacks()["Stacks"]
        statuses = {each["StackName"]: each["StackStatus"] for each in found}
        left = {name: status for name, status in statuses.items() if status != "DELETE_COMPLETE"}
        left.pop("CDKToolkit", None)
        return left

    def events(self, stack: str) -> list[str]:
        """Return the reasons of failures in the events of a stack."""
        found = self.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        return [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason')}"
            for each in found
            if "FAILED" in each["ResourceStatus"]
        ]


class InvocationError(Exception):
    """A function raised an error, or could not be invoked."""


@contextmanager
def ministack(folder: Path, local_dsql: str, authority: Path) -> Iterator[MiniStack]:
    """Start MiniStack on loopback with IAM enforcement and TLS, and stop it at the end.

    The policy of the bootstrap's bucket denies requests without TLS.

    Functions inherit its environment: the local DSQL's certificate authority reaches them so, and the template stays as
    it is deployed to AWS.
    """
    port = _free_port()
    certificates = CertificateStore(folder, folder / "authority.pem", "ministack")
    certificates.ensure(["127.0.0.1"])
    trusted = str(certificates.authority_file)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "LAMBDA_EXECUTOR": "local",
        "AUTH": "true",
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(certificates.server_certificate),
        "MINISTACK_SSL_KEY": str(certificates.server_key),
        "AWS_CA_BUNDLE": trusted,
        "SSL_CERT_FILE": trusted,
        "S3_DATA_DIR": str(folder / "s3"),
        "LOCAL_DSQL": local_dsql,
        **{f"BLOCKS_{database}_CA": str(authority) for database in ("MAIN", "ACCEPTANCE")},
        **KEYS,
    }
    with (folder / "ministack.log").open("w") as log:
        process = subprocess.Popen(
            [PYTHON, HERE / "ministack_server.py"], cwd=folder, env=environ, stdout=log, stderr=log
        )
        try:
            url = f"https://127.0.0.1:{port}"
            _wait(process, url, certificates.authority_file, folder / "ministack.log")
            yield MiniStack(url, folder, certificates.authority_file)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, authority: Path, log: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(authority))
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_ministack/health", timeout=5, context=trusted):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"MiniStack did not start: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
