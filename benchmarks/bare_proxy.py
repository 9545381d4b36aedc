"""The proxy and its PostgreSQL in one process, with extra endpoints to measure the cost of each part.

`python -m benchmarks.bare_proxy` prints one line of JSON, libpq parameters by the name of an endpoint, and runs until
its standard input ends:

- `tcp` and `socket`: PostgreSQL itself, in plain text, over TCP and over its unix socket;
- `tls`: the proxy as it is;
- `plain`: the proxy without TLS, which it otherwise requires.
"""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psycopg
import uvloop

from benchmarks.relays import free_port
from blocks_runtime import signing
from blocks_runtime.contract import ADMIN_ROLE
from dsql_dialect.profiles import NEWEST
from local_dsql import catalog
from local_dsql.access import (
    ClusterName,
    IdentityStore,
    Permission,
    TokenAuthenticator,
    new_identifier,
)
from local_dsql.postgres import SUPERUSER, DataDirectory, Postgres, choose_account, find_binaries
from local_dsql.postgres.settings import SETTINGS
from local_dsql.proxy import Proxy
from local_dsql.proxy.connection import ClientConnection
from local_dsql.proxy.listener import Endpoint
from local_dsql.proxy.ports import ReservedPort
from local_dsql.tls import CertificateStore
from local_dsql.wire import messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    Endpoints = dict[str, dict[str, str | int]]

REGION = "us-east-1"


class PlainConnection(ClientConnection):
    """A client connection in plain text."""

    @property
    def server_name(self) -> str | None:
        """The name that a TLS handshake would have carried."""
        return "localhost"

    def process_startup(self, code: int, body: bytes) -> None:
        if code == messages.SSL_REQUEST:
            self.send(messages.ENCRYPTION_REFUSED)
        else:
            self.begin_login(code, body)


def main() -> None:
    # A short path: the address of a unix socket holds about 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="dsql-"))
    try:
        folder.chmod(0o755)
        with postgres_in(folder) as postgres:
            uvloop.run(_serve(folder, postgres))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_in(folder: Path) -> Iterator[Postgres]:
    """Run PostgreSQL with the catalog of the local DSQL, reachable over TCP too."""
    account = choose_account()
    binaries = account.binaries(find_binaries(), folder / "postgres")
    data = DataDirectory(folder / "data")
    data.create(binaries, account)
    sockets = folder / "sockets"
    sockets.mkdir()
    account.own(sockets)
    postgres = Postgres.start(
        binaries,
        data,
        sockets=sockets,
        log=folder / "log",
        account=account,
        settings=SETTINGS | {"listen_addresses": "127.0.0.1"},
        port=free_port(),
    )
    try:
        postgres.wait_until_ready()
        with psycopg.connect(
            host=str(sockets), port=postgres.port, user="postgres", autocommit=True
        ) as admin:
            admin.execute(catalog.sql())
        yield postgres
    finally:
        postgres.stop()


async def _serve(folder: Path, postgres: Postgres) -> None:
    """Run the proxy until standard input ends."""
    name = ClusterName(new_identifier())
    (folder / "tls").mkdir()
    certificates = CertificateStore(folder / "tls", folder / "ca.pem", name.identifier)
    certificates.ensure(["localhost", "127.0.0.1"])
    identities = IdentityStore(folder / "identities.json")
    permission = Permission("dsql:DbConnectAdmin", name.arn("*"))
    credentials = identities.register("arn:aws:iam::000000000000:role/bench", [permission]).credentials
    proxy = Proxy(
        socket_directory=folder / "sockets",
        port=postgres.port,
        data_directory=folder / "data",
        profile=NEWEST,
        authenticator=TokenAuthenticator(name, identities),
        tls=certificates.context(),
    )
    await proxy.start()
    plain = Endpoint(proxy.context(REGION), proxy.tls, ReservedPort(), connection_class=PlainConnection)
    await plain.open()
    encrypted = ReservedPort()
    await proxy.listen(REGION, encrypted)
    direct: dict[str, str | int] = {"user": "postgres", "dbname": "postgres", "port": postgres.port}
    through: dict[str, str | int] = {
        "host": "localhost",
        "hostaddr": "127.0.0.1",
        "user": "admin",
        "password": signing.token("localhost", REGION, ADMIN_ROLE, credentials),
        "dbname": "postgres",
        "sslrootcert": str(certificates.authority_file),
    }
    endpoints: Endpoints = {
        "tcp": direct | {"host": "127.0.0.1", "sslmode": "disable"},
        "socket": direct | {"host": str(folder / "sockets")},
        "tls": through | {"port": encrypted.number, "sslmode": "verify-full"},
        "plain": through | {"port": plain.port.number, "sslmode": "disable"},
    }
    gc.freeze()  # as local_dsql.server.__main__ does
    print(json.dumps(endpoints), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await plain.close()
    await proxy.close()


@contextmanager
def plain_postgres() -> Iterator[str]:
    """Run a PostgreSQL of its own with the settings of the local one, and yield the DSN of its unix socket.

    A writer that is compared with the proxy needs it: the engine reads the write-ahead log of its PostgreSQL, so the
    records of another writer would be read at its expense.
    """
    # A short path: the address of a unix socket holds about 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="dsql-"))
    try:
        folder.chmod(0o755)
        with postgres_in(folder) as postgres:
            yield f"host='{folder / 'sockets'}' port={postgres.port} user={SUPERUSER} dbname=postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running() -> Iterator[Endpoints]:
    """Run it in a process of its own and yield its endpoints."""
    command = [sys.executable, "-m", "benchmarks.bare_proxy"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield cast("Endpoints", json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(30)


if __name__ == "__main__":
    main()
