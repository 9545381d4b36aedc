"""A migrating process killed, or its connection torn, before and after every single message.

Whatever was interrupted and wherever, another run ends with the same schema, data, journal and privileges as
one that nobody disturbed. The steps are the TLS records between the process and the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_cli.exits import ExitCode
from blocks_runtime.contract import Access, database_role
from tests.blocks_cli.migrations.guillotine import Then, guillotine
from tests.blocks_cli.migrations.migrators import nursery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.blocks_cli.migrations.conftest import Project
    from tests.blocks_cli.migrations.migrators import Nursery

FILES = {
    "001_table": "CREATE TABLE t (id int PRIMARY KEY, n int, label text);",
    "002_rows": "INSERT INTO t SELECT n, 0 FROM generate_series(1, 50) AS n;\nUPDATE t SET n = n + 1;",
    "003_index": "CREATE INDEX ASYNC t_n ON t (n);",
    "004_batch": "-- blocks: batch\n"
    "UPDATE t SET label = 'x' WHERE id IN (SELECT id FROM t WHERE label IS NULL LIMIT 20);\n"
    "INSERT INTO t VALUES (99, 99, 'last');",
    "005_column": "ALTER TABLE t ADD COLUMN extra text;",
    "006_check": "ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;",
    "007_validate": "ALTER TABLE ASYNC t VALIDATE CONSTRAINT positive;",
    "008_rename": "ALTER TABLE t RENAME COLUMN label TO name;",
    "009_role": "CREATE ROLE reader;",
    "010_grant": "GRANT SELECT ON t TO reader;",
    "011_default": "ALTER TABLE t ALTER COLUMN extra SET DEFAULT 'none';",
    "012_drop": "DROP INDEX t_n;",
}
APP = database_role("main", Access.READ_WRITE)
APP_ARN = "arn:aws:iam::123456789012:role/app"
LEAST = 400
"""Messages that a run takes at the very least; polling for jobs adds some."""
LEFT_BEHIND = [
    "SELECT * FROM t ORDER BY id",
    "SELECT name, checksum, statement, state, rows_changed FROM _migrations ORDER BY version",
    "SELECT rolname FROM pg_roles WHERE rolname = 'reader'",
    "SELECT grantee, table_name, privilege_type FROM information_schema.table_privileges "
    "WHERE table_schema = 'public' AND table_name <> '_migrations' ORDER BY 1, 2, 3",
    "SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings",
    "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid",
]


@pytest.fixture(scope="module")
def migrators() -> Iterator[Nursery]:
    with nursery() as started:
        yield started


class Matrix:
    """The project of all points: undisturbed once, then interrupted again and again."""

    def __init__(self, project: Project, migrators: Nursery) -> None:
        self._project = project
        self._migrators = migrators
        own = project.cluster.admin_credentials
        self._environment = {
            "AWS_ACCESS_KEY_ID": own.access_key_id,
            "AWS_SECRET_ACCESS_KEY": own.secret_access_key,
            "AWS_SESSION_TOKEN": own.session_token or "",
            "BLOCKS_MAIN_CA": str(project.cluster.ca_file),
        }
        project.write(FILES)

    def undisturbed(self) -> tuple[int, list[object]]:
        """Return how many messages a run takes, and what it leaves behind."""
        self._prepare()
        messages, code = self._run(0, Then.TEAR)
        assert code == ExitCode.OK
        return messages, self.state()

    def kill(self, at: int) -> bool:
        """Kill a run before its message `at`, run another one, and return whether there was that message."""
        self._prepare()
        _, code = self._run(at, Then.FREEZE)
        assert code in (ExitCode.OK, -9)
        self._release()
        assert self._project.blocks("up", "--dialect", "2026-09").code == ExitCode.OK
        return code == -9

    def tear(self, at: int) -> bool:
        """Tear the connection before message `at`; the same run must get over it."""
        self._prepare()
        messages, code = self._run(at, Then.TEAR)
        assert code == ExitCode.OK
        return messages >= at

    def state(self) -> list[object]:
        """Return schema, data, journal and privileges."""
        with psycopg.connect(self._project.cluster.dsn(), autocommit=True) as connection:
            rows = [connection.execute(query).fetchall() for query in LEFT_BEHIND]
        return [self._project.blocks("schema").out, *rows]

    def _prepare(self) -> None:
        """Empty the database but for an application's role, which is to get its privileges on what is new."""
        self._project.cluster.reset()
        self._project.run(f"CREATE ROLE {APP} WITH LOGIN", f"AWS IAM GRANT {APP} TO '{APP_ARN}'")

    def _run(self, at: int, then: Then) -> tuple[int, int]:
        with guillotine(self._project.cluster.endpoint(), at, then) as relay:
            migrator = self._migrators.migrate(self._project.migrations, self._environment, relay.port)
            while then is Then.FREEZE and not migrator.ended:
                if relay.reached.wait(0.02):
                    migrator.kill()
                    break
            code = migrator.wait()
            return relay.count, code

    def _release(self) -> None:
        """Let the lease of the dead run expire; on another machine it would take two minutes."""
        if self._project.rows("SELECT 1 FROM pg_tables WHERE tablename = '_migrations_lock'"):
            self._project.run("UPDATE _migrations_lock SET expires_at = now()")


@pytest.fixture
def matrix(project: Project, migrators: Nursery) -> Matrix:
    return Matrix(project, migrators)


def test_some_points(matrix: Matrix) -> None:
    messages, expected = matrix.undisturbed()
    assert messages > LEAST
    for number, at in enumerate(range(9, messages, messages // 10)):
        assert matrix.tear(at) if number % 3 == 2 else matrix.kill(at), f"no message {at}"
        assert matrix.state() == expected, f"interrupted before message {at}"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "tear"])
def test_every_point(matrix: Matrix, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    messages, expected = matrix.undisturbed()
    points = 0
    for at in range(1, messages + 1):
        points += matrix.kill(at) if how == "kill" else matrix.tear(at)
        assert matrix.state() == expected, f"interrupted before message {at}"
    with capsys.disabled():
        print(f"\n{how}: {points} points over {len(FILES)} migrations, all ended as an undisturbed run")
    assert points >= LEAST
