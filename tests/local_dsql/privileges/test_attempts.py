"""Attempts to get further than a role may, in every state of a transaction: none gains anything."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.differential.wire_session import WireSession
from tests.local_dsql.privileges.attempts import ALLOWED, ATTEMPTS
from tests.local_dsql.privileges.session_of_role import PLAIN, conninfo, superuser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster
    from tests.local_dsql.differential.wire_session import Answer

SECRET = "the secret of the server"
IDENTITY = "SELECT session_user, current_user, " + ", ".join(
    f"current_setting('{name}')" for name in ("is_superuser", "session_replication_role")
)
STATES: dict[str, tuple[tuple[str, str], ...]] = {
    "autocommit": (),
    "in a transaction": (("me", "BEGIN"), ("me", "UPDATE mine SET n = 1 WHERE id = 1")),
    "suspended": (
        ("me", "BEGIN"),
        ("me", "UPDATE mine SET n = 1 WHERE id = 1"),
        ("other", "BEGIN"),
        ("other", "UPDATE mine SET n = 2 WHERE id = 1"),
        ("other", "ROLLBACK"),
    ),
    "doomed": (
        ("me", "BEGIN"),
        ("me", "UPDATE mine SET n = 1 WHERE id = 1"),
        ("other", "UPDATE mine SET n = n + 2 WHERE id = 1"),
        ("me", "UPDATE mine SET n = 3 WHERE id = 2"),
    ),
}


@pytest.fixture
def files() -> Iterator[dict[str, str]]:
    """A file that anybody may read, and the name of one that anybody could write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "secret").write_text(SECRET)
        (folder / "secret").chmod(0o644)
        yield {"secret": f"{folder}/secret", "written": f"{folder}/written"}
        assert [each.name for each in folder.iterdir()] == ["secret"]


def test_there_are_enough() -> None:
    """Every attempt is there once."""
    assert len(ATTEMPTS) >= 150
    assert len(set(ATTEMPTS)) == len(ATTEMPTS)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("role", ["admin", PLAIN])
def test_no_attempt_gains_anything(
    prepared: LocalCluster, files: dict[str, str], role: str, state: str
) -> None:
    """Every attempt is refused with an error of its own, and the session is who it was."""
    names = files | {"me": role, "other": PLAIN if role == "admin" else "admin"}
    me, other = WireSession(conninfo(prepared, role)), WireSession(prepared.dsn())
    gained: list[str] = []
    for attempt in ATTEMPTS:
        for who, sql in STATES[state]:
            assert not (me if who == "me" else other).ask(sql).failed
        answers = [me.ask(_filled(sql, names)) for sql in attempt]
        if fault := _gain(attempt, answers):
            gained.append(f"{attempt}: {fault}")
        me.ask("ROLLBACK")
        identity = me.ask(IDENTITY)
        if identity.rows != ((role.encode(), role.encode(), b"off", b"origin"),):
            gained.append(f"{attempt}: the session is {identity}")
    me.close()
    other.close()
    assert not gained, "\n".join(gained)


def _filled(sql: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        sql = sql.replace(f"{{{name}}}", value)
    return sql


def _gain(attempt: tuple[str, ...], answers: list[Answer]) -> str:
    last = answers[-1]
    if any(SECRET.encode() in (value or b"") for answer in answers for row in answer.rows for value in row):
        return "reads the file"
    if any(answer.sqlstate.startswith(("XX", "08", "58")) for answer in answers):
        return f"an internal error: {last}"
    if last.failed or attempt[-1] in ALLOWED:
        return ""
    return f"is not refused: {last}"


def test_rights_of_the_backends_of_clients(prepared: LocalCluster) -> None:
    """No backend of a client belongs to a superuser, or to a role that reads files, runs programs or replicates."""
    sessions = [WireSession(conninfo(prepared, role)) for role in ("admin", PLAIN) for _ in range(2)]
    watcher = superuser(prepared)
    for steps in STATES.values():
        for who, sql in steps:
            sessions[0 if who == "me" else 1].ask(sql)
        found = watcher.ask(
            "SELECT a.application_name, a.usename, r.rolsuper, r.rolreplication, r.rolbypassrls, r.rolcreaterole,"
            " (SELECT count(*) FROM pg_roles m WHERE m.rolname LIKE 'pg\\_%' AND m.rolname <> 'pg_database_owner'"
            "  AND pg_has_role(r.oid, m.oid, 'MEMBER')), pg_has_role(r.oid, 10::oid, 'MEMBER')"
            " FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid WHERE a.application_name LIKE 'client-%'"
        )
        rows = {tuple(value.decode() for value in row if value is not None) for row in found.rows}
        assert len(found.rows) == len(sessions), found
        for application, user, *rights in rows:
            assert application == f"client-{user}", rows
            assert rights[:3] == ["f", "f", "f"], rows
            assert rights[4:] == ["0", "f"], rows
        for session in sessions:
            session.ask("ROLLBACK")
    for session in (*sessions, watcher):
        session.close()
