"""A sandbox that is frozen between two invocations and resumes when its connection is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import DistributedDatabase, sql
from blocks_runtime.database import session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.relay import Relay

ONE = sql("SELECT n FROM items WHERE id = 1")

# A function's sandbox: one invocation for each line of its input. The two constants are made short, so that a
# second of being frozen is a long rest, and waiting for a silent server is not.
SANDBOX = """
import sys
from blocks_runtime import DistributedDatabase, sql
from blocks_runtime.database import session
session.IDLE, session.PING_TIMEOUT = 0.3, 2.0
db = DistributedDatabase("main")
for line in sys.stdin:
    changed = db.execute(sql("UPDATE items SET n = n + 1 WHERE id = 1"))
    print(changed, db.stats.connects, db.stats.replaced, flush=True)
"""


class Sandbox:
    """The process of a function."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SANDBOX], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def invoke(self) -> list[int]:
        """Return rows changed, connections opened, connections replaced."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return [int(number) for number in self._process.stdout.readline().split()]

    def freeze(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        self.thaw()
        self._process.communicate()


@pytest.fixture
def sandbox(direct: DistributedDatabase, wire: Relay) -> Iterator[Sandbox]:
    made = Sandbox()
    yield made
    made.end()


def frozen_for_a_while(sandbox: Sandbox) -> None:
    sandbox.freeze()
    signal.sigtimedwait([], 1.0)
    sandbox.thaw()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="there is no SIGSTOP")
@pytest.mark.parametrize("fate", ["kept", "torn", "silent"])
def test_a_frozen_sandbox_resumes(
    direct: DistributedDatabase, sandbox: Sandbox, wire: Relay, fate: str
) -> None:
    """Torn: the server has closed it. Silent: a router has dropped it, so no reply ever arrives."""
    assert sandbox.invoke() == [1, 1, 0]
    if fate == "torn":
        wire.tear()
    if fate == "silent":
        wire.fall_silent()
    frozen_for_a_while(sandbox)
    assert sandbox.invoke() == ([1, 1, 0] if fate == "kept" else [1, 2, 1])
    assert direct.query_one(ONE) == {"n": 102}, "nothing was done twice"


class Clock:
    """Stands for the module `time` of a session, and may jump."""

    def __init__(self, module: object) -> None:
        self._module = module
        self.monotonic_ahead = self.wall_ahead = 0.0

    def monotonic(self) -> float:
        return float(self._module.monotonic()) + self.monotonic_ahead  # type: ignore[attr-defined]

    def time(self) -> float:
        return float(self._module.time()) + self.wall_ahead  # type: ignore[attr-defined]


# What a clock did between two statements, and what that means for the connection: statements sent on it before
# the next one, or that it is replaced.
JUMPS = {
    "nothing": (0.0, 0.0, 0),
    "frozen for a minute: only the wall clock went on": (0.0, 60.0, 1),
    "resting for a minute": (60.0, 60.0, 1),
    "wall clock set back": (0.0, -3600.0, 1),
    "frozen for an hour": (0.0, 3600.0, None),
    "resting for an hour": (3600.0, 3600.0, None),
}


@pytest.mark.parametrize(("monotonic", "wall", "asked"), JUMPS.values(), ids=JUMPS)
def test_jumps_of_the_clock(
    db: DistributedDatabase, monkeypatch: pytest.MonkeyPatch, monotonic: float, wall: float, asked: int | None
) -> None:
    clock = Clock(time)
    monkeypatch.setattr(session, "time", clock)
    db.query(ONE)
    before = db.stats.statements
    clock.monotonic_ahead, clock.wall_ahead = monotonic, wall
    assert db.query_one(ONE) == {"n": 100}
    assert db.stats.connects == (2 if asked is None else 1)
    assert db.stats.statements - before == 1 + (asked or 0)
