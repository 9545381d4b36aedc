"""The local DSQL's side of MiniStack: endpoints for its clusters, and the IAM roles that log in to them.

A cluster of MiniStack has an identifier of its own. Every one stands for the one local cluster, at the endpoint of its
Region, so ARNs in policies are translated to the local cluster's.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from blocks_cli.local.policies import Role, permissions_of
from local_dsql import Credentials, Permission

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_dsql import LocalCluster


class LocalClusters:
    """The clusters of MiniStack by ARN, each with the ARN of the local cluster that stands for it."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.local = cluster
        self._arns: dict[str, str] = {}
        self.credentials: dict[str, Credentials] = {}
        """Credentials of the roles that functions have run as, by name without the digits at its end."""
        self.invocations: list[str] = []
        """Names of the functions that were invoked, in order."""

    @property
    def authority(self) -> Path:
        """PEM file that functions verify the local DSQL with."""
        return self.local.ca_file

    def answer(self, path: str, message: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a message of `ministack_server.tell`."""
        return self._place(message) if path == "cluster" else self._register(message)

    def _place(self, message: dict[str, Any]) -> dict[str, Any]:
        region = message["region"]
        self._arns[message["arn"]] = self.local.arn(region)
        return {"endpoint": self.local.endpoint(region)}

    def _register(self, message: dict[str, Any]) -> dict[str, Any]:
        keys = message["credentials"]
        credentials = Credentials(
            keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"]
        )
        role = Role(message["arn"].rpartition("/")[2], tuple(message["policies"]))
        permissions = [
            Permission(each.action, self._arns.get(each.resource, each.resource), each.effect)
            for each in permissions_of(role, (), self._arns)
        ]
        self.local.identity(message["arn"], permissions, credentials)
        self.credentials[re.split("[0-9A-F]{8}-", role.name)[0]] = credentials
        self.invocations.append(message["function"])
        return {}


@contextmanager
def serve(clusters: LocalClusters) -> Iterator[str]:
    """Serve it on loopback, and yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(clusters.answer(self.path.strip("/"), message)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: messages contain credentials."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
