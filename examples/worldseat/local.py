"""Both Regions on this machine: deployed and served as `blocks dev` does, and a switch that stops a Region."""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Self

from blocks_cli.console import print_error
from blocks_cli.dev.session import DevSession
from blocks_cli.dev.watch import Watcher
from blocks_cli.errors import CommandError
from blocks_cli.local import Report
from blocks_cli.synth import synthesize
from blocks_cli.workspace import Workspace
from examples.worldseat.regions import HOME, PEER
from local_dsql import LocalCluster, LocalDatabaseError
from local_dynamodb import LocalDynamo, LocalDynamoError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from types import TracebackType

ROOT = Path(__file__).parents[2]
APP = f"{sys.executable} -m examples.worldseat.app"
DATABASE = "main"
PLENTY = "100000"
"""Requests of a client in a minute: the load client sends all that it has to send."""


class LocalWorldSeat:
    """The deployed app with a URL in each Region; a context manager.

    Args:
        folder: keeps the deployment in `.blocks`; a second start goes on with it.
        commit_latency: seconds added to each COMMIT, as between Regions.
        replication_delay: seconds from a write into a replica to its arrival in the other Region.
        report: gets the steps of the deploy.
        assembly: a synthesized app. Default: it is synthesized.
    """

    def __init__(
        self,
        folder: Path,
        *,
        commit_latency: float = 0.0,
        replication_delay: float = 0.5,
        report: Report | None = None,
        assembly: Path | None = None,
    ) -> None:
        self.commit_latency = commit_latency
        self.replication_delay = replication_delay
        self.urls: Mapping[str, str] = {}
        """URL of each Region, without a path."""
        self.folder = folder.resolve() / ".blocks"
        """Folder of the deployment."""
        self._folder = folder.resolve()
        self._report = report or Report()
        self._assembly = assembly
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _start(self) -> None:
        workspace = Workspace(self._folder)
        # The deployment attaches to this server, which has the latency already.
        self._cluster = self._open.enter_context(
            LocalCluster(
                workspace.clusters / DATABASE, regions=(PEER, HOME), commit_latency=self.commit_latency
            )
        )
        session = self._open.enter_context(DevSession(self._folder, self._report, self._synthesize, HOME))
        session.deploy()
        self.urls = {each.region: each.url for each in session.endpoints()}
        self._dynamo = self._open.enter_context(LocalDynamo(workspace.folder / "dynamodb"))
        self._dynamo.set_replication_delay(self.replication_delay)
        for region in (HOME, PEER):
            self._start_region(region)
        self._session = session

    def _synthesize(self) -> Path:
        return self._assembly or synthesize(ROOT, self._folder / ".blocks" / "cdk.out", HOME, APP)

    @property
    def stopped(self) -> frozenset[str]:
        """The stopped Regions."""
        return frozenset(self._cluster.stopped_regions)

    def stop_region(self, region: str) -> None:
        """Close the endpoints of both services in a Region; the function and its URL go on."""
        _check(region)
        self._cluster.stop_region(region)
        self._dynamo.stop_region(region)

    def start_region(self, region: str) -> None:
        """Open the endpoints of a Region again."""
        _check(region)
        self._start_region(region)

    def _start_region(self, region: str) -> None:
        self._cluster.start_region(region)
        self._dynamo.start_region(region)

    def update(self, files: Collection[str]) -> None:
        """Deploy changed files, relative to the folder; without any, restart databases and end idle sandboxes.

        Raises:
            CommandError: the change cannot be deployed, and the last version goes on.
        """
        if files:
            self._session.change(files)
        else:
            self._session.maintain()

    @contextlib.contextmanager
    def switch(self) -> Iterator[str]:
        """Serve the Region switch of the page on loopback; yield its URL, which has a secret."""
        server = _Switch(self)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _check(region: str) -> None:
    if region not in (HOME, PEER):
        raise ValueError(f"{region} is no Region of WorldSeat; choose {HOME} or {PEER}")


class _Switch(ThreadingHTTPServer):
    """Stops and starts Regions.

    `GET` of its URL lists all Regions and the stopped ones, `POST` of `{region, stopped}` changes one.

    Only pages of the two functions may read its answers, and only a program that knows the secret may send requests.
    """

    daemon_threads = True

    def __init__(self, app: LocalWorldSeat) -> None:
        super().__init__(("127.0.0.1", 0), _SwitchHandler)
        self.app = app
        self.path = f"/{secrets.token_urlsafe(12)}"
        self.origins = frozenset(app.urls.values())

    @property
    def url(self) -> str:
        """URL with the secret."""
        return f"http://127.0.0.1:{self.server_port}{self.path}"


class _SwitchHandler(BaseHTTPRequestHandler):
    server: _Switch

    def do_OPTIONS(self) -> None:
        self._answer(204)

    def do_GET(self) -> None:
        if self._is_allowed():
            self._answer(200)

    def do_POST(self) -> None:
        if not self._is_allowed():
            return
        try:
            length = min(max(0, int(self.headers.get("content-length") or 0)), 1000)
            given = json.loads(self.rfile.read(length))
            change: Callable[[str], None] = (
                self.server.app.stop_region if given["stopped"] else self.server.app.start_region
            )
            change(given["region"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self._answer(400, f"{type(error).__name__}: {error}; send a JSON object with region and stopped")
            return
        except (LocalDatabaseError, LocalDynamoError, OSError) as error:
            self._answer(
                503, f"{error}; repeat it in a moment"
            )  # a server that died is started again by then
            return
        self._answer(200)

    def log_message(self, format: str, *args: object) -> None:
        """Write no log: the path has the secret."""

    def _is_allowed(self) -> bool:
        allowed = secrets.compare_digest(self.path, self.server.path)
        if not allowed:
            self._answer(404)
        return allowed

    def _answer(self, status: int, error: str = "") -> None:
        app = self.server.app
        body: dict[str, object] = {
            "regions": [{"region": region, "url": app.urls[region]} for region in sorted(app.urls)],
            "stopped": sorted(app.stopped),
            "commitLatency": app.commit_latency,
            "replicationDelay": app.replication_delay,
        } | ({"error": error} if error else {})
        content = b"" if status in (204, 404) else json.dumps(body).encode()
        self.send_response(status)
        if (origin := self.headers.get("origin", "")) in self.server.origins:
            self.send_header("access-control-allow-origin", origin)
            self.send_header("access-control-allow-headers", "content-type")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def serve(app: LocalWorldSeat, folder: Path) -> None:
    """Deploy each change of a file in the folder, until Ctrl-C."""
    for files in Watcher(folder).groups():
        try:
            app.update([each for each in files if not each.endswith(".md")])
        except CommandError as error:
            print_error(error)
