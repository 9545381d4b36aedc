"""Changes of migrations in a project of `blocks init`, with a real synth."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from blocks_cli.dev.session import DevSession
from blocks_cli.errors import CommandError
from blocks_cli.main import main
from blocks_cli.synth import synthesize
from tests.support.http_requests import fetch
from tests.support.recording_report import RecordingReport
from tests.support.timing import TooSlowError, unless_busy

if TYPE_CHECKING:
    from pathlib import Path

CHANGE_TO_APPLIED = 3.0
"""Seconds from a saved migration to its end."""


@pytest.mark.slow
def test_migrations_are_applied_without_a_synth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["init", "shop"])
    root = tmp_path / "shop"
    monkeypatch.chdir(root)
    synths: list[Path] = []

    def synth() -> Path:
        synths.append(synthesize(root, region="us-east-1"))
        return synths[-1]

    def save(name: str, text: str) -> set[str]:
        (root / name).write_text(text)
        return {name}

    numbers = iter(range(2, 100))
    with DevSession(root, RecordingReport(), synth, "us-east-1") as session:
        session.deploy()
        (endpoint,) = session.endpoints()

        def migrate() -> None:
            number = next(numbers)
            started = time.monotonic()
            outcome = session.change(
                save(
                    f"migrations/{number:03}_items.sql",
                    f"CREATE TABLE items_{number} (id UUID PRIMARY KEY);\n",
                )
            )
            assert outcome.migrations == (f"{number:03}_items",)
            if time.monotonic() - started > CHANGE_TO_APPLIED and not _is_busy():
                raise TooSlowError

        unless_busy(migrate)
        with pytest.raises(CommandError, match="TRUNCATE"):
            session.change(save("migrations/050_bad.sql", "TRUNCATE orders;\n"))
        (root / "migrations/050_bad.sql").unlink()
        assert session.change({"migrations/050_bad.sql"}).changes == ()
        applied = sorted((root / "migrations").iterdir())[-1]
        text = applied.read_text()
        applied.unlink()
        session_change = {f"migrations/{applied.name}"}
        session.change(session_change)
        assert "ahead" in str(session._deployment.outputs), "the database has a migration that the files lack"
        applied.write_text(text)
        session.change(session_change)
        assert "ahead" not in str(session._deployment.outputs)
        assert fetch(f"{endpoint.url}/")[0] == 200
        migrate_again = next(numbers)
        file = f"migrations/{migrate_again:03}_more.sql"
        assert session.change(save(file, "CREATE TABLE more (id UUID PRIMARY KEY);\n")).migrations
        assert len(synths) == 1


def _is_busy() -> bool:
    """Return whether more than two other programs want each processor, so that a time proves nothing."""
    return os.getloadavg()[0] > 3 * (os.cpu_count() or 1)
