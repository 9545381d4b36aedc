"""A PostgreSQL with the engine over it, without the proxy, and clients that speak to the engine directly."""

from __future__ import annotations

import asyncio
import re
import shutil
import struct
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dsql_dialect import parse, profile
from local_dsql import catalog
from local_dsql.engine import savepoints
from local_dsql.engine.autocommit import execute_autocommit
from local_dsql.engine.commit import commit, rollback
from local_dsql.engine.commit_preview import preview_commit
from local_dsql.engine.engine import Engine
from local_dsql.engine.execute import execute
from local_dsql.engine.opening import begin
from local_dsql.engine.requests import Request
from local_dsql.postgres import PORT, DataDirectory, Postgres, choose_account, find_binaries
from local_dsql.wire import messages
from local_dsql.wire.backend import Backend
from local_dsql.wire.frames import BODY
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from typing import Any, TypeVar

    from local_dsql.engine.limits import Limits
    from local_dsql.engine.session import EngineSession, HeldSession

    T = TypeVar("T")

DIALECT = profile("2026-09")
DATABASE = "postgres"
ROLE = "admin"

_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)

Row = tuple[str | None, ...]


class Server:
    """One PostgreSQL server with the catalog of the local DSQL in its database `postgres`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dsql-"))
        self.folder.chmod(0o755)
        account = choose_account()
        binaries = account.binaries(find_binaries(), self.folder / "postgres")
        self.data = DataDirectory(self.folder / "data")
        self.data.create(binaries, account)
        self.sockets = self.folder / "sockets"
        self.sockets.mkdir()
        account.own(self.sockets)
        self.postgres = Postgres.start(
            binaries, self.data, sockets=self.sockets, log=self.folder / "log", account=account
        )
        self.postgres.wait_until_ready()

    async def connect(self, role: str, database: str = DATABASE, **parameters: str) -> Backend:
        """Return a connection to PostgreSQL itself."""
        wanted = {"user": role, "database": database, **parameters}
        return await Backend.connect(self.sockets, PORT, wanted)

    async def build(self) -> None:
        """Run the catalog's scripts."""
        backend = await self.connect("postgres")
        await backend.rows(catalog.sql())
        backend.close()

    async def clean(self) -> None:
        """Empty the schema `public` and drop the roles that tests have made."""
        backend = await self.connect("postgres")
        while await backend.rows(_END_OTHERS):
            await asyncio.sleep(0.002)
        await backend.rows(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC;"
            " GRANT CREATE ON SCHEMA public TO admin"
        )
        backend.close()

    async def make_roles(self, *names: str) -> None:
        """Make roles that may log in and make tables."""
        backend = await self.connect("postgres")
        for name in names:
            if not await backend.rows(f"SELECT FROM pg_roles WHERE rolname = '{name}'"):
                await backend.rows(f"CREATE ROLE {name} LOGIN")
            await backend.rows(f"GRANT CREATE ON SCHEMA public TO {name}")
        backend.close()

    async def make_database(self, name: str) -> None:
        """Make a plain database, anew if it is there."""
        backend = await self.connect("postgres")
        await backend.rows(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await backend.rows(f"CREATE DATABASE {name} TEMPLATE template1")
        backend.close()

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self.postgres.stop()
        shutil.rmtree(self.folder)


@dataclass(slots=True)
class Reply:
    """The answer to one statement: rows as text, command tag, and of an error its SQLSTATE, message and DETAIL."""

    rows: list[Row] = field(default_factory=list)
    tag: str = ""
    sqlstate: str = ""
    message: str = ""
    detail: str = ""
    seconds: float = 0.0

    @property
    def short(self) -> object:
        """The SQLSTATE of an error, the rows sorted if there are columns, else the tag."""
        if self.sqlstate:
            return self.sqlstate
        if self.rows or self.tag.startswith(("SELECT", "FETCH", "SHOW")):
            return sorted(self.rows, key=repr)
        return self.tag


def reply(answer: Response) -> Reply:
    """Read an answer."""
    if (fields := answer.error) is not None:
        return Reply(sqlstate=fields["C"], message=fields["M"], detail=fields.get("D", ""))
    rows = [tuple(_decoded(raw)) for kind, raw in answer.frames if kind == b"D"]
    rows += [(raw[BODY:].decode("utf-8", "replace"),) for kind, raw in answer.frames if kind == b"d"]
    return Reply(rows, (answer.tags or [""])[-1])


def _decoded(raw: bytes) -> Iterable[str | None]:
    count = struct.unpack_from("!H", raw, BODY)[0]
    position = BODY + 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", raw, position)
        position += 4
        yield None if length < 0 else raw[position : position + length].decode("utf-8", "replace")
        position += max(length, 0)


def request(
    sql: str, values: Sequence[str | None] | None = None, rows: bytes | None = None, codec: str = "utf-8"
) -> Request:
    """Return a request: a Query, or extended messages if there are values."""
    (statement,) = parse(sql, DIALECT).statements
    text = statement.backend_sql.encode(codec) + b"\0"
    sets = statement.node in ("VariableSet", "ConstraintsSet")
    copied = b""
    if rows is not None:
        copied = messages.frame(b"d", rows) + messages.frame(b"c")
    if values is None:
        body = messages.frame(b"Q", text)
        return Request(body, rows=copied, simple=True, statement=statement, sets_parameters=sets)
    cells = b"".join(
        struct.pack("!i", -1)
        if value is None
        else struct.pack("!i", len(value.encode(codec))) + value.encode(codec)
        for value in values
    )
    body = b"".join(
        [
            messages.frame(b"P", b"\0" + text + b"\0\0"),
            messages.frame(b"B", b"\0\0\0\0" + struct.pack("!H", len(values)) + cells + b"\0\0"),
            messages.frame(b"D", b"P\0"),
            messages.frame(b"E", b"\0\0\0\0\0"),
        ]
    )
    return Request(body, rows=copied, statement=statement, sets_parameters=sets)


class Client:
    """A client of the engine: what the proxy does of transaction control, and nothing else of it."""

    def __init__(self, session: EngineSession) -> None:
        self.session = session

    @property
    def codec(self) -> str:
        """The codec of the client's encoding."""
        return {"UTF8": "utf-8", "LATIN1": "latin-1"}.get(self.session.backend.encoding, "utf-8")

    async def run(
        self, sql: str, values: Sequence[str | None] | None = None, rows: bytes | None = None
    ) -> Reply:
        """Run one statement."""
        began = time.monotonic()
        found = await self._run(sql, values, rows)
        found.seconds = time.monotonic() - began
        return found

    async def _run(self, sql: str, values: Sequence[str | None] | None, rows: bytes | None) -> Reply:
        word = re.split(r"[\s;]", sql.strip(), maxsplit=1)[0].upper()
        transaction = self.session.transaction
        if word in ("COMMIT", "ROLLBACK") and transaction is not None:
            return await self._end(word)
        async with self.session.exclusive() as held:
            if word == "BEGIN" and transaction is None:
                return reply(await begin(held, messages.query(sql), implicit=False))
            wanted = request(sql, values, rows, self.codec)
            if transaction is None:
                return await self._alone(held, wanted)
            if transaction.failed:
                return Reply(sqlstate="25P02", message="current transaction is aborted")
            return reply(await execute(held, wanted))

    async def _end(self, word: str) -> Reply:
        failed = self.session.transaction is not None and self.session.transaction.failed
        preview = await preview_commit(self.session) if word == "COMMIT" else None
        async with self.session.exclusive() as held:
            if word == "ROLLBACK":
                await rollback(held)
                return Reply(tag="ROLLBACK")
            outcome = await commit(held, preview)
        if outcome.error is not None:
            return reply(Response([(b"E", outcome.error)], b"I"))
        return Reply(tag="ROLLBACK" if failed else "COMMIT")

    async def _alone(self, held: HeldSession, wanted: Request) -> Reply:
        answer = await execute_autocommit(held, wanted)
        if answer is not None:
            return reply(answer)
        opened = await begin(held, savepoints.BEGIN, implicit=True)
        assert opened.error is None
        found = reply(await execute(held, wanted))
        outcome = await commit(held)
        if outcome.error is not None and not found.sqlstate:
            return reply(Response([(b"E", outcome.error)], b"I"))
        return found

    async def ok(self, *statements: str) -> None:
        """Run statements that must succeed."""
        for sql in statements:
            found = await self.run(sql)
            assert not found.sqlstate, (sql, found)


class Laboratory:
    """An engine over a server, on an event loop of its own."""

    def __init__(self, server: Server, *, suspend_always: bool = False, limits: Limits | None = None) -> None:
        self.server = server
        self.runner = asyncio.Runner()
        self.run(server.clean())
        self.engine = Engine(server.connect, server.data.path, limits, suspend_always=suspend_always)
        self.run(self.engine.start())

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 10) -> T:
        """Run a coroutine to its end."""
        return self.runner.run(asyncio.wait_for(work, timeout))

    async def client(self, role: str = ROLE) -> Client:
        """Return a new client, logged in as a role."""
        backend = await self.server.connect(role)
        return Client(self.engine.join(backend, role, "us-east-1"))

    async def leave(self, client: Client) -> None:
        """Cut a client off."""
        self.engine.leave(client.session)
        await asyncio.sleep(0)

    def close(self) -> None:
        """Stop the engine."""
        self.run(self.engine.close())
        self.runner.close()
