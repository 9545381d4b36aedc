"""A real PostgreSQL and a proxy, on its own thread, for tests of the proxy."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import uvloop

from blocks_runtime import signing
from dsql_dialect import profile
from local_dsql import catalog
from local_dsql.access import (
    ClusterName,
    Credentials,
    IdentityStore,
    Permission,
    TokenAuthenticator,
    new_identifier,
)
from local_dsql.client.launch import SUSPEND_ALWAYS
from local_dsql.postgres import PORT, DataDirectory, Postgres, choose_account, find_binaries
from local_dsql.postgres.settings import SETTINGS
from local_dsql.proxy import Limits, Proxy
from local_dsql.proxy.ports import ReservedPort
from local_dsql.tls import CertificateStore

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any, TypeVar

    T = TypeVar("T")

REGION = "us-east-1"


class Cluster:
    """One PostgreSQL and one proxy; `connect` returns psycopg connections through the proxy."""

    def __init__(
        self,
        dialect: str = "2026-09",
        limits: Limits | None = None,
        *,
        settings: Mapping[str, str] = SETTINGS,
        port: int = PORT,
        suspend_always: bool = SUSPEND_ALWAYS,
    ) -> None:
        self._suspend_always = suspend_always
        # A short path: the address of a unix socket holds about 100 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="dsql-"))
        self.folder.chmod(0o755)
        account = choose_account()
        binaries = account.binaries(find_binaries(), self.folder / "postgres")
        data = DataDirectory(self.folder / "data")
        data.create(binaries, account)
        self.sockets = self.folder / "sockets"
        self.sockets.mkdir()
        account.own(self.sockets)
        self.postgres = Postgres.start(
            binaries,
            data,
            sockets=self.sockets,
            log=self.folder / "log",
            account=account,
            settings=settings,
            port=port,
        )
        self.postgres.wait_until_ready()
        with self.direct() as connection:
            connection.execute(catalog.sql())
        self._make_proxy(dialect, limits)

    def _make_proxy(self, dialect: str, limits: Limits | None) -> None:
        name = ClusterName(new_identifier())
        (self.folder / "tls").mkdir()
        store = CertificateStore(self.folder / "tls", self.folder / "ca.pem", name.identifier)
        store.ensure(["localhost", "127.0.0.1", name.host(REGION)])
        self.ca = store.authority_file
        self.name = name
        self.identities = IdentityStore(self.folder / "identities.json")
        self.administrator = self.credentials(
            "arn:aws:iam::000000000000:role/administrator", "dsql:DbConnectAdmin"
        )
        self.proxy = Proxy(
            socket_directory=self.sockets,
            port=self.postgres.port,
            data_directory=self.folder / "data",
            profile=profile(dialect),
            authenticator=TokenAuthenticator(name, self.identities),
            tls=store.context(),
            limits=limits,
            suspend_always=self._suspend_always,
        )
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.run(self.proxy.start())
        self.ports: dict[str, ReservedPort] = {}
        self.port = self.listen(REGION)

    def listen(self, region: str) -> int:
        """Open the endpoint of a Region and return its port."""
        port = self.ports[region] = ReservedPort()
        self.run(self.proxy.listen(region, port))
        return port.number

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 30) -> T:
        """Run a coroutine on the proxy's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def credentials(self, arn: str, *actions: str) -> Credentials:
        """Register an IAM identity with permissions on this cluster, in every Region."""
        permissions = [Permission(action, self.name.arn("*")) for action in actions]
        return self.identities.register(arn, permissions).credentials

    def token(
        self, credentials: Credentials | None = None, action: str = "DbConnectAdmin", region: str = REGION
    ) -> str:
        """Sign a token for the endpoint."""
        role = "admin" if action == "DbConnectAdmin" else "app"
        return signing.token("localhost", region, role, credentials or self.administrator)

    def parameters(self, user: str = "admin", token: str | None = None) -> dict[str, Any]:
        """Return libpq parameters for a verified connection."""
        return {
            "host": "localhost",
            "hostaddr": "127.0.0.1",
            "port": self.port,
            "user": user,
            "password": token if token is not None else self.token(),
            "dbname": "postgres",
            "sslmode": "verify-full",
            "sslrootcert": str(self.ca),
            "connect_timeout": 10,
        }

    def connect(self, *, autocommit: bool = True, **options: Any) -> psycopg.Connection[Any]:
        """Connect as admin."""
        return psycopg.connect(**(self.parameters() | options), autocommit=autocommit)

    def direct(self) -> psycopg.Connection[Any]:
        """Connect to PostgreSQL itself, as superuser."""
        return psycopg.connect(
            host=str(self.sockets),
            port=self.postgres.port,
            user="postgres",
            dbname="postgres",
            autocommit=True,
        )

    def close(self) -> None:
        """Stop everything and remove the folder."""
        self.run(self.proxy.close())
        for port in self.ports.values():
            port.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self.postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
