"""PL/pgSQL on the local database: functions, procedures, DO, dynamic SQL, handlers, conflicts, limits, privileges."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dsql_dialect import parse, profile
from tests.local_dsql.plpgsql.conftest import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.plpgsql.conftest import PlpgsqlCluster

CASES = tomllib.loads((Path(__file__).parent / "cases.toml").read_text(encoding="utf-8"))["case"]
SESSION = re.compile(r"(a|b|alice|bob): ")
OF_LOCAL_DATABASE = [case for case in CASES if "dialect" not in case]


SCHEMA = "of_case"


class Sessions:
    """Connections by name, opened when they are first used, whose search path is the schema of the case."""

    def __init__(self, cluster: PlpgsqlCluster) -> None:
        self._cluster = cluster
        self._open: dict[str, psycopg.Connection[Any]] = {}

    def run(self, step: str) -> str:
        """Run a step and return its answer in the form of `expect`."""
        found = SESSION.match(step)
        name, sql = (found[1], step[found.end() :]) if found else ("a", step)
        try:
            cursor = self._session(name).execute(sql.replace("{schema}", SCHEMA))
        except psycopg.Error as error:
            hint = f" HINT: {error.diag.message_hint}" if error.diag.message_hint else ""
            return f"error {error.sqlstate} {error.diag.message_primary}{hint}"
        if cursor.description is None:
            return f"tag {cursor.statusmessage}"
        return f"rows {json.dumps([list(row) for row in cursor.fetchall()])}"

    def rollback(self) -> None:
        """End the transactions of all sessions."""
        for connection in self._open.values():
            connection.rollback()

    def close(self) -> None:
        """Close all connections."""
        for connection in self._open.values():
            connection.close()

    def _session(self, name: str) -> psycopg.Connection[Any]:
        if name not in self._open:
            options: dict[str, Any] = {"options": f"-c search_path={SCHEMA}"}
            if name in ROLES:
                options |= {"user": name, "password": self._cluster.token_of(name)}
            self._open[name] = self._cluster.connect(**options)
        return self._open[name]


@pytest.fixture(scope="module")
def sessions(november: PlpgsqlCluster) -> Iterator[Sessions]:
    """The sessions of all cases."""
    opened = Sessions(november)
    yield opened
    opened.close()


@pytest.mark.parametrize("case", OF_LOCAL_DATABASE, ids=lambda case: case["id"])
def test_case(sessions: Sessions, case: dict[str, Any]) -> None:
    try:
        for sql in (
            f"CREATE SCHEMA {SCHEMA}",
            f"GRANT USAGE ON SCHEMA {SCHEMA} TO alice, bob",
            "CREATE TABLE t (id int PRIMARY KEY, v int)",
            "INSERT INTO t SELECT g, 0 FROM generate_series(1, 10) g",
        ):
            answer = sessions.run(sql)
            assert not answer.startswith("error"), answer
        for step in case["steps"]:
            answer = sessions.run(step["sql"])
            expected = step.get("expect")
            if expected is None:
                assert not answer.startswith("error"), f"{step}: {answer}"
            elif expected.startswith("error"):
                assert answer.startswith(expected), step
            else:
                assert answer == expected, step
    finally:
        sessions.rollback()
        sessions.run(f"DROP SCHEMA {SCHEMA} CASCADE")


@pytest.mark.parametrize(
    "case", [case for case in CASES if "place" in case or "dialect" in case], ids=lambda case: case["id"]
)
def test_dialect_finds_the_same(case: dict[str, Any]) -> None:
    step = case["steps"][-1]
    finding = parse(step["sql"], profile(case.get("dialect", "2026-11"))).findings[0]
    assert f"error {finding.sqlstate} {finding.message}".startswith(step["expect"])
    if "place" in case:
        assert f"{finding.position.line}:{finding.position.column}" == case["place"]


def test_every_case_has_a_source() -> None:
    assert len(CASES) == len({case["id"] for case in CASES}) > 115
    assert all(case["source"] and case["steps"][-1].get("expect") for case in CASES)
