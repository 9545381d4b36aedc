"""A CALL of a procedure is never repeated: what it has committed before an error stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_runtime import DistributedDatabase, errors, sql
from local_dsql import LocalCluster
from tests.blocks_runtime.conftest import ROLE, function_environment, with_role

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFINITIONS = (
    "CREATE PROCEDURE raised(code text) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO items SELECT count(*) + 10, 0 "
    "FROM items;"
    " COMMIT; RAISE EXCEPTION 'again' USING ERRCODE = code; END $$",
    "CREATE FUNCTION raising() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = "
    "'40001';"
    " END $$",
    f"GRANT EXECUTE ON PROCEDURE raised(text) TO {ROLE}",
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster in the dialect 2026-11."""
    folder = tmp_path_factory.mktemp("procedures") / "cluster"
    with with_role(LocalCluster(folder, dialect="2026-11")) as started:
        with psycopg.connect(started.dsn(), autocommit=True) as admin:
            for definition in DEFINITIONS:
                admin.execute(definition)
        yield started


def test_a_call_runs_once(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in function_environment(cluster).items():
        monkeypatch.setenv(name, value)
    with DistributedDatabase("main") as db:
        with pytest.raises(errors.SerializationFailure) as of_function:
            db.execute(sql("SELECT raising()"))
        with pytest.raises(errors.SerializationFailure) as of_call:
            db.execute(sql("CALL raised({code})", code="40001"))
        assert of_function.value.attempts > 1
        assert of_call.value.attempts == 1
        assert db.query_value(sql("SELECT count(*) FROM items WHERE id >= 10")) == 1
