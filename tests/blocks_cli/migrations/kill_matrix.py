"""Interruption of a deploy at a message between it and the cluster: killed, or its connections broken.

The folder has twelve migrations of all kinds; then a grant to a function follows.
"""

from __future__ import annotations

import enum
import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from blocks_runtime.contract import Access, database_role
from dsql_dialect import profile
from dsql_dialect.migrations import compile_folder
from lambda_migrator import tables
from tests.support.cloudformation_stub import EVENT
from tests.support.migrator_fork_server import Invocation
from tests.support.relay import relay

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.blocks_cli.migrations.conftest import Project
    from tests.support.cloudformation_stub import CloudFormationStub
    from tests.support.migrator_fork_server import ForkServer, Migrator
    from tests.support.relay import Direction, Relay

ARN = "arn:aws:iam::123456789012:role/{}"
FILES = {
    "001_table": "CREATE TABLE t (id int PRIMARY KEY, n int, label text);",
    "002_rows": "INSERT INTO t SELECT n, n - 1 FROM generate_series(1, 50) AS n;\nUPDATE t SET n = n + 1;",
    "003_unique": "CREATE UNIQUE INDEX ASYNC t_n ON t (n);",
    "004_batch": "-- blocks: batch\n"
    "UPDATE t SET label = 'x' WHERE id IN (SELECT id FROM t WHERE label IS NULL LIMIT 20);\n"
    "INSERT INTO t VALUES (99, 99, 'last');",
    "005_column": "ALTER TABLE t ADD COLUMN extra text;",
    "006_check": "ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;",
    "007_validate": "ALTER TABLE ASYNC t VALIDATE CONSTRAINT positive;",
    "008_rename": "ALTER TABLE t RENAME COLUMN label TO name;",
    "009_role": "CREATE ROLE reader WITH LOGIN;",
    "010_grant": "GRANT SELECT ON t TO reader;",
    "011_iam": f"AWS IAM GRANT reader TO '{ARN.format('analyst')}';",
    "012_drop": "DROP INDEX t_n;",
}
BEFORE, AFTER = "journal and lease", "roles and answer"
PHASES = (BEFORE, *FILES, AFTER)
"""Phases of a deploy: before its migrations, each of them, after them."""

LEAST = 200
"""Minimum number of messages of a deploy; polling for jobs adds some."""

LEFT_BEHIND = [
    "SELECT * FROM t ORDER BY id",
    "SELECT name, checksum, statement, state, rows_changed FROM _migrations ORDER BY version",
    "SELECT rolname FROM pg_roles WHERE rolname = 'reader' OR rolname LIKE 'blocks%' ORDER BY 1",
    "SELECT grantee, table_name, privilege_type FROM information_schema.table_privileges "
    "WHERE table_schema = 'public' ORDER BY 1, 2, 3",
    "SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings ORDER BY 1, 2",
    "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid",
]
DONE = "SELECT count(*) FROM public._migrations WHERE state = 'applied'"
NO_TABLE = psycopg.errors.UndefinedTable


class Interruption(enum.Enum):
    """Kind of interruption at the chosen message."""

    KILL = "kill"
    """Its process ends at once, and another deploy follows."""
    TEAR = "tear"
    """Its connections are torn, and it has to get over that by itself."""


class Matrix:
    """A project that is deployed repeatedly, each time to an empty database.

    `files` are its migrations, in a dialect, and `left_behind` the queries of the state that they leave.
    """

    def __init__(
        self,
        project: Project,
        fork_server: ForkServer,
        inbox: CloudFormationStub,
        files: Mapping[str, str] = FILES,
        left_behind: Sequence[str] = LEFT_BEHIND,
        dialect: str = "2026-09",
    ) -> None:
        self._left_behind = left_behind
        self._phases = (BEFORE, *files, AFTER)
        self._project = project
        self._nursery = fork_server
        self._inbox = inbox
        self._numbers = itertools.count(1)
        own = project.cluster.admin_credentials
        self._environment = {
            "AWS_ACCESS_KEY_ID": own.access_key_id,
            "AWS_SECRET_ACCESS_KEY": own.secret_access_key,
            "AWS_SESSION_TOKEN": own.session_token or "",
            "BLOCKS_MAIN_CA": str(project.cluster.ca_file),
        }
        project.write(files)
        self._manifest = project.folder / "manifest.json"
        compiled = compile_folder(project.migrations, profile(dialect))
        self._manifest.write_bytes(compiled.canonical_json())

    def undisturbed(self) -> tuple[int, list[object]]:
        """Return the number of messages of an uninterrupted deploy, and the resulting state."""
        self.empty()
        with relay(self._project.cluster.endpoint()) as wire:
            self.finish(self.start(wire.port))
            return wire.count, self.state()

    def interrupt(self, at: int, how: Interruption) -> str | None:
        """Interrupt a deploy at message `at`, run it again to its end, and return the interrupted phase.

        None means that the deploy ended before that message.
        """
        self.empty()
        with self.stopped(at) as (wire, migrator):
            phase = self.phase() if wire.reached.is_set() else None
            if phase is None or how is Interruption.TEAR:
                wire.tear()
                self.finish(migrator)
                return phase
            migrator.kill()
            status, answers = migrator.wait(), self.answers()
            assert status == -9 or answers[0]["Status"] == "SUCCESS", (status, answers)
        self._release()
        self.finish(self.start())
        return phase

    @contextmanager
    def stopped(
        self, at: int, direction: Direction | None = None, term: float = 120.0
    ) -> Iterator[tuple[Relay, Migrator]]:
        """Start a deploy and suspend its traffic at message `at` of one direction or both, if it has that many."""
        with relay(self._project.cluster.endpoint()) as wire:
            wire.stop_at(at, direction)
            migrator = self.start(wire.port, term)
            while not migrator.ended and not wire.reached.wait(0.01):
                pass
            yield wire, migrator

    def start(
        self, port: int | None = None, term: float = 120.0, fork_server: ForkServer | None = None
    ) -> Migrator:
        """Start a deploy, through the port of a relay or directly."""
        endpoint = self._project.cluster.endpoint() if port is None else f"localhost:{port}"
        event = EVENT | {
            "ResponseURL": self._inbox.url,
            "RequestId": f"deploy-{next(self._numbers)}",
            "ResourceProperties": {
                "Database": "main",
                "Endpoint": endpoint,
                "Region": self._project.cluster.regions[0],
                "Grants": [
                    {
                        "DatabaseRole": database_role("main", Access.READ_WRITE),
                        "Access": Access.READ_WRITE.value,
                        "RoleArn": ARN.format("app"),
                    }
                ],
            },
        }
        invocation = Invocation(event, self._environment, str(self._manifest), term)
        return (fork_server or self._nursery).invoke(invocation)

    def finish(self, migrator: Migrator) -> None:
        """Wait for the end of a deploy, and check that CloudFormation got exactly one response."""
        status, answers = migrator.wait(), self.answers()
        assert (status, [answer["Status"] for answer in answers]) == (0, ["SUCCESS"]), answers

    def answers(self) -> list[dict[str, str]]:
        """Return the responses to CloudFormation since the last call."""
        told = [*self._inbox.bodies]
        self._inbox.bodies.clear()
        return told

    def state(self) -> list[object]:
        """Return schema, data, journal, roles, privileges and mappings."""
        with psycopg.connect(self._project.cluster.dsn(), autocommit=True) as connection:
            rows = [connection.execute(query).fetchall() for query in self._left_behind]
        return [self._project.blocks("schema").out, *rows]

    def phase(self) -> str:
        """Return the current phase of the running deploy, from the journal."""
        with psycopg.connect(self._project.cluster.dsn(), autocommit=True) as connection:
            try:
                done = connection.execute(DONE).fetchone()
                begun = connection.execute("SELECT 1 FROM public._migrations_lock").fetchone()
            except NO_TABLE:
                return BEFORE
        assert done is not None
        return BEFORE if begun is None else self._phases[done[0] + 1]

    def empty(self) -> None:
        """Empty the database."""
        self._project.cluster.reset()

    def _release(self) -> None:
        """Expire the lease of a killed deploy, which otherwise takes two minutes."""
        if self._project.rows(tables.EXISTING.text + " AND c.relname = '_migrations_lock'"):
            self._project.run("UPDATE _migrations_lock SET expires_at = now()")
