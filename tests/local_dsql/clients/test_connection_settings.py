"""Each client of docs/clients.md connects with what `local-dsql env|dsn|url` prints, and with what the page says."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local_dsql.access.short_password import make_short_password
from local_dsql.connection_settings import FORMATS, ConnectionSettings
from local_dsql.divergences import BY_ID
from local_dsql.errors import ServerError
from tests.support.programs import needs_psql

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dsql import LocalCluster

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
NODE = HERE / "node"
JAR = Path(os.environ.get("PGJDBC_JAR", "/usr/share/java/postgresql.jar"))
ROWS = [(1, "a")]

TABLE = "CREATE TABLE items (id int PRIMARY KEY, name text)"


@pytest.fixture(params=[False, True], ids=["token", "short password"])
def settings(dsql: LocalCluster, request: pytest.FixtureRequest) -> ConnectionSettings:
    """Settings for `admin`, and an empty table `items`."""
    made = ConnectionSettings.of(dsql, short=request.param)
    with psycopg.connect(made.dsn(), autocommit=True) as connection:
        connection.execute(TABLE)
    return made


def use_psycopg(it: ConnectionSettings) -> list[Any]:
    with psycopg.connect(it.url("libpq")) as connection:
        connection.execute("INSERT INTO items VALUES (%s, %s)", (1, "a"))
        connection.commit()
        return connection.execute("SELECT * FROM items").fetchall()


def use_psycopg2(it: ConnectionSettings) -> list[Any]:
    driver = pytest.importorskip("psycopg2")
    connection = driver.connect(it.dsn())
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO items VALUES (%s, %s)", (1, "a"))
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM items")
            return [*cursor.fetchall()]
    finally:
        connection.close()


def use_pg8000(it: ConnectionSettings) -> list[Any]:
    driver = pytest.importorskip("pg8000.dbapi")
    connection = driver.connect(
        host=it.host,
        port=int(it.port),
        user=it.role,
        password=it.password,
        database="postgres",
        ssl_context=ssl.create_default_context(cafile=it.authority),
    )
    try:
        cursor = connection.cursor()
        cursor.execute("INSERT INTO items VALUES (%s, %s)", (1, "a"))
        connection.commit()
        cursor.execute("SELECT * FROM items")
        return [tuple(row) for row in cursor.fetchall()]
    finally:
        connection.close()


def use_asyncpg_pool(it: ConnectionSettings) -> list[Any]:
    driver = pytest.importorskip("asyncpg")

    async def keep(_: object) -> None:
        """Reset nothing: a connection of DSQL has no advisory locks, LISTEN or cursors to give up."""

    async def session() -> list[Any]:
        async with driver.create_pool(it.url("libpq"), min_size=1, max_size=2, reset=keep) as pool:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("INSERT INTO items VALUES ($1, $2)", 1, "a")
            return [tuple(row) for row in await pool.fetch("SELECT * FROM items")]

    return asyncio.run(session())


def use_sqlalchemy(it: ConnectionSettings) -> list[Any]:
    import sqlalchemy

    engine = sqlalchemy.create_engine(it.url("sqlalchemy"), use_native_hstore=False)
    try:
        with engine.begin() as connection:
            connection.execute(
                sqlalchemy.text("INSERT INTO items VALUES (:id, :name)"), {"id": 1, "name": "a"}
            )
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sqlalchemy.text("SELECT * FROM items"))]
    finally:
        engine.dispose()


PYTHON: dict[str, Callable[[ConnectionSettings], list[Any]]] = {
    "psycopg": use_psycopg,
    "psycopg2": use_psycopg2,
    "pg8000": use_pg8000,
    "asyncpg": use_asyncpg_pool,
    "SQLAlchemy": use_sqlalchemy,
}


@pytest.mark.parametrize("client", PYTHON.values(), ids=PYTHON)
def test_python(settings: ConnectionSettings, client: Callable[[ConnectionSettings], list[Any]]) -> None:
    assert client(settings) == ROWS


@needs_psql
def test_psql(settings: ConnectionSettings) -> None:
    for arguments, environment in (
        ([settings.url("libpq")], {}),
        ([settings.dsn()], {}),
        ([], settings.environment()),
    ):
        answer = subprocess.run(
            ["psql", *arguments, "-Atc", "SELECT current_user"],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout == "admin\n"


NODE_CLIENTS = ("pg", "postgres", "drizzle", "kysely", "knex", "typeorm", "sequelize")


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pinned clients."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "clients.cjs"):
        shutil.copy(NODE / name, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    subprocess.run(command, cwd=folder, check=True, timeout=600)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("client", NODE_CLIENTS)
def test_node(settings: ConnectionSettings, node_modules: Path, client: str) -> None:
    answer = subprocess.run(
        ["node", "clients.cjs", client],
        cwd=node_modules,
        env={"PATH": os.environ["PATH"], "URL": settings.url("node")} | settings.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == [{"id": 1, "name": "a"}]


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("javac") is None or not JAR.exists(),
    reason="needs a JDK and pgJDBC: apt-get install default-jdk-headless libpostgresql-jdbc-java, or PGJDBC_JAR",
)
def test_jdbc(dsql: LocalCluster) -> None:
    """Java sends no SNI for a name without a dot, so it needs a short password (`short-password`)."""
    settings = ConnectionSettings.of(dsql, short=True)
    with psycopg.connect(settings.dsn(), autocommit=True) as connection:
        connection.execute(TABLE)
    answer = subprocess.run(
        ["java", "-cp", str(JAR), str(HERE / "Session.java")],
        env={"PATH": os.environ["PATH"], "URL": settings.url("jdbc")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.stdout.split("\n")[:2] == ["1 a", "TABLE"], answer.stderr


def test_every_client_has_a_line_on_the_page() -> None:
    page = (PROJECT / "docs/clients.md").read_text(encoding="utf-8")
    named = ("psql", *PYTHON, "node-postgres", "postgres.js", "JDBC", "DBeaver", *NODE_CLIENTS[2:])
    assert [name for name in named if f"| {name}".lower() not in page.lower()] == []


# What needs a hint fails without it, as on Aurora DSQL.


def test_an_asyncpg_pool_without_the_hint(settings: ConnectionSettings) -> None:
    driver = pytest.importorskip("asyncpg")

    async def session() -> None:
        async with driver.create_pool(settings.url("libpq"), min_size=1, max_size=1) as pool:
            await pool.fetch("SELECT 1")

    with pytest.raises(driver.PostgresError, match="pg_advisory_unlock_all"):
        asyncio.run(session())


def test_sqlalchemy_without_the_hint(settings: ConnectionSettings) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(settings.url("sqlalchemy"))
    with pytest.raises(sqlalchemy.exc.DBAPIError, match=r"(?i)savepoint"), engine.connect():
        pass


# Roles, formats, short passwords


def test_another_role(dsql: LocalCluster) -> None:
    arn = "arn:aws:iam::123456789012:role/reader"
    with psycopg.connect(dsql.dsn(), autocommit=True) as admin:
        admin.execute("CREATE ROLE reader WITH LOGIN")
        with pytest.raises(ServerError, match="no IAM identity is mapped to it"):
            ConnectionSettings.of(dsql, "reader")
        admin.execute(f"AWS IAM GRANT reader TO '{arn}'".encode())
    for short in (False, True):
        with psycopg.connect(
            ConnectionSettings.of(dsql, "reader", "us-east-2", short=short).dsn()
        ) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("reader",)
    assert dsql.credentials_of(arn) is not None


@pytest.mark.parametrize("form", FORMATS)
def test_formats_keep_every_value(form: str) -> None:
    values = {"A": "plain", "B": "with a space", "C": "$HOME'#&=%", "D": "/tmp/ca file.pem"}
    text = FORMATS[form](values)
    if form == "json":
        assert json.loads(text) == values
    else:  # a shell reads a `.env` file as well
        answer = subprocess.run(
            ["/bin/sh", "-c", f'{text}\nprintf "%s|" "$A" "$B" "$C" "$D"'],
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.split("|")[:-1] == [*values.values()]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_a_dotenv_file_is_read_by_a_shell_and_by_node(settings: ConnectionSettings, tmp_path: Path) -> None:
    """The values of a real cluster, most of them with characters of the shell."""
    file = tmp_path / ".env"
    values = settings.environment()
    file.write_text(FORMATS["dotenv"](values) + "\n")
    print_all = f"console.log(JSON.stringify({[*values]}.map(name => process.env[name])))"
    bare = {"PATH": os.environ["PATH"]}
    for command in (
        ["node", f"--env-file={file}", "-e", print_all],
        ["/bin/sh", "-c", 'set -a; . "$0"; node -e "$1"', str(file), print_all],
    ):
        printed = subprocess.run(command, capture_output=True, text=True, check=True, env=bare).stdout
        assert json.loads(printed) == [*values.values()]


def test_a_short_password_is_for_one_role_region_and_time(dsql: LocalCluster) -> None:
    """`short-password` of the known differences."""
    assert "35 characters" in BY_ID["short-password"].sentence
    settings = ConnectionSettings.of(dsql, short=True)
    assert len(settings.password) == 35
    assert settings.password not in repr(settings)
    given: dict[str, Any] = {
        "cluster": dsql.identifier,
        "region": "us-east-1",
        "role": "admin",
        "now": time.time(),
    }

    def refused(**other: Any) -> str:
        password = make_short_password(dsql.admin_credentials, **(given | other))
        with pytest.raises(psycopg.OperationalError) as error:
            psycopg.connect(settings.dsn(), password=password)
        return str(error.value)

    assert "is invalid" in refused(region="us-east-2")
    assert "is invalid" in refused(role="reader")
    assert "is invalid" in refused(cluster="another")
    assert "Signature expired" in refused(lifetime=-7200)
    assert "Signature expired" in refused(now=time.time() + 30 * 86_400)
    for password in ("dsql-", "dsql-x", f"{settings.password}x", settings.password[:-1]):
        with pytest.raises(psycopg.OperationalError, match=r"(?i)access denied"):
            psycopg.connect(settings.dsn(), password=password)
