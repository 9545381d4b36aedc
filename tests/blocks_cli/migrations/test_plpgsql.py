"""Migrations with functions in PL/pgSQL: interrupted anywhere, and dumped in an order that can be applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster
from tests.blocks_cli.migrations.conftest import Project
from tests.blocks_cli.migrations.kill_matrix import Interruption, Matrix
from tests.support.cloudformation_stub import response_server
from tests.support.migrator_fork_server import start_fork_server

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {
    "001_table": "CREATE TABLE t (id int PRIMARY KEY, n int);",
    "002_function": "CREATE FUNCTION added(i int, OUT v int) LANGUAGE plpgsql AS $$\nBEGIN\n"
    "  UPDATE t SET n = n + 1 WHERE id = i RETURNING n INTO v;\nEND $$;",
    "003_procedure": "CREATE PROCEDURE batch(a int, INOUT b int) LANGUAGE plpgsql AS 'BEGIN\n"
    "  INSERT INTO t VALUES (a, 0);\n  COMMIT;\n  b := ''1''::int;\nEND';",
    "004_replaced": "CREATE OR REPLACE FUNCTION added(i int, OUT v int) LANGUAGE plpgsql AS $$\nBEGIN\n"
    "  EXECUTE 'UPDATE t SET n = n + 2 WHERE id = $1 RETURNING n' INTO v USING i;\n"
    "EXCEPTION WHEN division_by_zero THEN\n  v := 0;\nEND $$;",
    "005_rows": "INSERT INTO t VALUES (1, 1);",
    "006_dropped": "DROP PROCEDURE batch(int, int);",
}
LEFT_BEHIND = [
    "SELECT * FROM t ORDER BY id",
    "SELECT name, checksum, statement, state FROM _migrations ORDER BY version",
    "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
]


@pytest.fixture(scope="module")
def november(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """The database of a project in the dialect 2026-11."""
    folder = tmp_path_factory.mktemp("plpgsql")
    (folder / "cdk.json").write_text("{}")
    (folder / "pyproject.toml").write_text('[tool.blocks]\ndialect = "2026-11"\n')
    with LocalCluster(folder / ".blocks" / "local" / "main", dialect="2026-11") as cluster:
        yield cluster


@pytest.fixture
def bodies(november: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project, with an empty database and no migrations."""
    folder = november.folder.path.parents[2]
    for file in (folder / "migrations").glob("*.sql"):
        file.unlink()
    november.reset()
    monkeypatch.chdir(folder)
    return Project(folder, november, monkeypatch)


ORDERED = {
    "001_a": "CREATE TABLE item (id int PRIMARY KEY, n int);",
    "002_b": "CREATE FUNCTION is_small(i int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN i < 9; END $$;",
    "003_c": "CREATE TABLE part (id int PRIMARY KEY, CHECK (is_small(id)));",
    "004_d": "CREATE FUNCTION all_items() RETURNS SETOF item LANGUAGE plpgsql AS $$ DECLARE r part%ROWTYPE;"
    " s part.id%TYPE; BEGIN RETURN QUERY SELECT * FROM item; END $$;",
    "005_e": "CREATE PROCEDURE do_all() LANGUAGE plpgsql AS $$ BEGIN PERFORM all_items(); COMMIT; END $$;",
}


def test_the_schema_can_be_applied_in_its_order(bodies: Project) -> None:
    """A table needs the functions of its CHECK, and a function the tables whose rows and columns are its types."""
    bodies.write(ORDERED)
    up = bodies.blocks("up")
    assert up.code == 0, up.text
    before = bodies.blocks("schema").out
    assert "$procedure$" in before
    assert "local_dsql" not in before
    verified = bodies.blocks("verify")
    assert verified.code == 0, verified.text
    statements = [each for each in before.split(";\n\n") if each.strip()]
    bodies.cluster.reset()
    bodies.run(*(each.removesuffix(";\n") for each in statements))
    assert bodies.blocks("schema").out == before


@pytest.mark.slow
def test_interrupted_at_every_message(bodies: Project) -> None:
    """A deploy that creates, replaces and drops functions is killed, or cut off, at each of its messages."""
    with start_fork_server() as fork_server, response_server() as inbox:
        matrix = Matrix(bodies, fork_server, inbox, FILES, LEFT_BEHIND, "2026-11")
        messages, expected = matrix.undisturbed()
        faults = []
        for at in range(1, messages + 1):
            for how in Interruption:
                phase = matrix.interrupt(at, how)
                if (left := matrix.state()) != expected:
                    faults.append(f"{how.value} at message {at}, {phase}: {left}")
        assert not faults
