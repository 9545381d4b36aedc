"""Effects that a run after a crash must not misread. Every point of a run: the kill matrix of `blocks_cli`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime.database.session import Session
from lambda_migrator.errors import MigrationFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lambda_migrator.conftest import Deployment


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Kill:
    """`reached` is True once the run was killed."""

    reached: bool = False


@contextmanager
def killed_before(at: int) -> Iterator[Kill]:
    """Kill the run before it sends statement number `at` (from 1)."""
    count = 0
    kill = Kill()

    def mortal(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Session, *arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count != at:
                return original(self, *arguments, **options)
            kill.reached = True
            self.abort()
            self.close()
            raise Killed

        return call

    with pytest.MonkeyPatch.context() as patch:
        for way_to_speak in ("run", "_command"):
            patch.setattr(Session, way_to_speak, mortal(getattr(Session, way_to_speak)))
        yield kill


def test_an_existing_object_is_not_read_as_the_effect(deployment: Deployment) -> None:
    """A table of the same name was there before; no killed run must make the next one believe in it."""
    deployment.run("CREATE TABLE t (by_hand int)")
    deployment.write({"001_table": "CREATE TABLE t (id int PRIMARY KEY, n int);"})
    for at in range(1, 40):
        with killed_before(at):
            try:
                deployment.migrate()
            except (Killed, MigrationFailedError):
                continue
        pytest.fail(f"killed at statement {at}, then reported success")
    with pytest.raises(MigrationFailedError, match="SQLSTATE 42P07"):
        deployment.migrate()
