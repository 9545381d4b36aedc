"""Workers that make transfers for some seconds."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

from examples.bank.tool.outcomes import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from examples.bank.tool.targets import Target

LARGEST = 10
"""Cents of a transfer, at most: little, so that the bank refuses few."""


class Stress:
    """A run of the stress client.

    Args:
        target: makes the transfers.
        accounts: ids to draw payer and payee from, at least two.
        workers: concurrent transfers.
        seconds: duration of the run.
        options: further members of each event.
    """

    def __init__(
        self,
        target: Target,
        accounts: Sequence[int | str],
        *,
        workers: int,
        seconds: float,
        options: dict[str, Any],
    ) -> None:
        self._target = target
        self._accounts = accounts
        self._options = options
        self.workers = workers
        self.seconds = seconds
        self.statistics = Statistics()
        self._stopped = threading.Event()

    def run(self, show: Callable[[float], None], every: float) -> float:
        """Make transfers, and call `show` with the elapsed seconds every so many; return the seconds it took.

        The time begins when every worker has a connection. Ctrl-C ends the run early: no transfer is begun, and those
        that run are finished.
        """
        self._all_connected = threading.Barrier(self.workers + 1)
        self._failure: Exception | None = None
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self.workers)]
        for each in threads:
            each.start()
        self._started = time.monotonic()
        try:
            self._all_connected.wait()
            self._started = time.monotonic()
            self._wait(show, every)
        except threading.BrokenBarrierError:
            assert self._failure is not None
            raise self._failure from None
        except KeyboardInterrupt:
            self._all_connected.abort()
        finally:
            self._stopped.set()
            for each in threads:
                each.join()
        return self._elapsed

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _wait(self, show: Callable[[float], None], every: float) -> None:
        shown = 0
        while (elapsed := self._elapsed) < self.seconds:
            shown += 1
            time.sleep(max(min(shown * every, self.seconds) - elapsed, 0.0))
            show(self._elapsed)

    def _work(self) -> None:
        try:
            self._target.connect(self._all_connected)
        except threading.BrokenBarrierError:
            return
        except Exception as error:
            self._failure = error
            self._all_connected.abort()
            return
        draw = random.Random()  # noqa: S311 (accounts, not secrets)
        while not self._stopped.is_set() and self._elapsed < self.seconds:
            payer, payee = draw.sample(self._accounts, 2)
            event = {
                "payer_id": payer,
                "payee_id": payee,
                "amount": draw.randint(1, LARGEST),
                **self._options,
            }
            self.statistics.add(self._target.transfer(event), self._elapsed)
