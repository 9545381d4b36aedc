"""Cost of a migration: ours, Alembic and a bare loop, with the same DDL on one local cluster.

Migrations alternately create a table and add a column: with 500 tables each, the three would exceed DSQL's limit of
1,000 tables.

Alembic runs on AWS's dialect for SQLAlchemy, with the small implementation class that the dialect lacks, one
transaction per revision. The bare loop is one `execute` per table, without journal and lease. Each applies all its
files in one run, in turns, so that noise of the machine affects all; every round has its own cluster.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.ddl.postgresql import PostgresqlImpl

from benchmarks.harness import Measured, Result, pin, present, speeds
from blocks_runtime.contract import ADMIN_ROLE, Variables
from blocks_runtime.database.target import Target
from blocks_runtime.signing import Credentials
from custom_resource.deadline import Deadline
from dsql_dialect.migrations import compile_folder
from lambda_migrator.admin import AdminConnection
from lambda_migrator.migrate import migrate
from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILES, ROUNDS = 500, 5
OURS, ALEMBIC, LOOP = "blocks", "Alembic", "bare psycopg loop"

COLUMNS = "id uuid PRIMARY KEY DEFAULT gen_random_uuid(), owner text NOT NULL, balance bigint NOT NULL"

_ENV = """\
from alembic import context

with context.config.attributes["engine"].connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""

_REVISION = """\
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{revision}", {before!r}


def upgrade():
    {operation}
"""

_CREATE = """\
op.create_table(
        "alembic_{table:03}",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), primary_key=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
    )"""

_ADD = 'op.add_column("alembic_{table:03}", sa.Column("note", sa.Text()))'


class AuroraDsqlImpl(PostgresqlImpl):
    """Alembic's registration of AWS's dialect."""

    __dialect__ = "auroradsql"


def statement(contender: str, number: int) -> str:
    """Return the DDL of one file, numbered from 1; Alembic's dialect generates the same for a revision."""
    table = f"{contender}_{(number + 1) // 2:03}"
    return f"CREATE TABLE {table} ({COLUMNS})" if number % 2 else f"ALTER TABLE {table} ADD COLUMN note text"


def ours(cluster: LocalCluster, folder: Path) -> Callable[[int], None]:
    """Return a function that applies our files up to a number, like `blocks up --to`; compiled before, as on deploy."""
    for number in range(1, FILES + 1):
        (folder / f"{number:03}_t.sql").write_text(statement("ours", number))
    manifest = compile_folder(folder)
    own = cluster.admin_credentials
    keys = Credentials(own.access_key_id, own.secret_access_key, own.session_token)
    at = Variables(cluster.endpoint(), cluster.regions[0], ADMIN_ROLE, str(cluster.ca_file))

    def apply(to: int) -> None:
        with AdminConnection(Target.of(at), lambda: keys, Deadline.after(600)).open() as admin:
            migrate(
                admin,
                manifest,
                database="bench",
                holder="bench",
                to=to,
                report=lambda step, seconds: None,
            )

    return apply


def alembic(cluster: LocalCluster, folder: Path) -> Callable[[int], None]:
    """Return a function that upgrades an Alembic database to a revision."""
    versions = folder / "versions"
    versions.mkdir()
    (folder / "env.py").write_text(_ENV)
    for number in range(1, FILES + 1):
        before = f"{number - 1:03}" if number > 1 else None
        operation = (_CREATE if number % 2 else _ADD).format(table=(number + 1) // 2)
        text = _REVISION.format(revision=f"{number:03}", before=before, operation=operation)
        (versions / f"{number:03}.py").write_text(text)
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.attributes["engine"] = sqlalchemy.create_engine(
        "auroradsql+psycopg://", creator=lambda: psycopg.connect(cluster.dsn()), poolclass=sqlalchemy.NullPool
    )

    def apply(to: int) -> None:
        command.upgrade(config, f"{to:03}")

    return apply


def bare(cluster: LocalCluster) -> Callable[[int], None]:
    """Return a function that creates the tables up to a number, one statement after the other."""
    done = 0

    def apply(to: int) -> None:
        nonlocal done
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            for number in range(done + 1, to + 1):
                connection.execute(statement("bare", number).encode())
        done = to

    return apply


def take_turns() -> dict[str, Result]:
    """Apply all files with every contender in each round; return the seconds per file, one figure per round."""
    seen: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        with contenders() as (cluster, named):
            for name, apply in named.items():
                started = time.perf_counter()
                apply(FILES)
                seen.setdefault(name, []).append((time.perf_counter() - started) / FILES)
            _check(cluster)
    return {name: Result(tuple(figures)) for name, figures in seen.items()}


def _check(cluster: LocalCluster) -> None:
    """Check that every contender has created its tables."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relname ~ '^(ours|alembic|bare)_[0-9]{3}$'"
        ).fetchone()
    assert row == (3 * FILES // 2,), row


@contextlib.contextmanager
def contenders() -> Iterator[tuple[LocalCluster, dict[str, Callable[[int], None]]]]:
    """Start a cluster and prepare all contenders."""
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary) / name for name in ("cluster", "files", "alembic")]
        for folder in folders:
            folder.mkdir()
        with LocalCluster(folders[0]) as cluster:
            yield (
                cluster,
                {
                    LOOP: bare(cluster),
                    ALEMBIC: alembic(cluster, folders[2]),
                    OURS: ours(cluster, folders[1]),
                },
            )


def measure() -> Iterator[list[Measured]]:
    """Yield the speed per file, as a multiple of the bare loop's and of Alembic's."""
    pin()
    results = take_turns()
    title = f"{FILES} migrations, per file"
    yield [
        *speeds(title, results, baseline=LOOP, bars={OURS: 0.5}),
        *speeds(title, {name: results[name] for name in (OURS, ALEMBIC)}, baseline=ALEMBIC, bars={OURS: 1.0}),
    ]


if __name__ == "__main__":
    present(measure)
