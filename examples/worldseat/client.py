"""A client of WorldSeat: bursts over both Regions, counted by the ledger. It needs the standard library alone."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SEATS = tuple(f"{row}{number}" for row in "ABCDEFGH" for number in range(1, 13))
BACKENDS = ("dsql", "atomic", "replicated", "replicated-atomic")

AHEAD = 0.3
"""Seconds from the request to the start of a burst, so that both Regions start together."""

SETTLED_WITHIN = 15.0
"""Seconds in which the ledgers of both Regions must become equal after a burst."""

PATIENCE = 150.0
"""Seconds to wait for an answer: more than the function has."""


class RequestFailed(Exception):
    """A request was not answered, or answered with an error; the text says which and what to do."""


@dataclass(frozen=True)
class Result:
    """A burst on one back end. All numbers of sales come from the ledger, not from answers to buyers."""

    backend: str
    buyers: int
    seats: int
    sold: int
    """Rows in the ledger."""
    oversold: int
    """Rows in the ledger beyond one for each seat."""
    lost: int
    """Buyers that were told `sold` and have no row in the ledger."""
    unknown: int
    """Buyers that got no answer to their commit."""
    failed: int
    """Buyers that got an error before the commit."""
    conflicts: int
    retries: int
    commits: tuple[float, ...] = field(repr=False)
    """Milliseconds of each COMMIT that wrote."""
    error: str | None
    """The first error that a buyer got."""
    agree: bool
    """The seats table says the same as the ledger, and both Regions say the same."""


class Client:
    """Sends bursts to the functions of both Regions."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        """Store the URL of each Region."""
        self.urls = dict(urls)

    @classmethod
    def discover(cls, url: str) -> Client:
        """Return a client of the deployment that has this URL in one of its Regions.

        Raises:
            RequestFailed: it does not answer.
        """
        found = request(url, "/api/regions")
        return cls({each["region"]: each["url"] for each in found["regions"]})

    def burst(
        self,
        backend: str,
        buyers: int,
        seats: int = 1,
        *,
        under_way: Callable[[], None] | None = None,
        at_the_end: Callable[[], None] | None = None,
    ) -> Result:
        """Release seats, let the buyers of both Regions buy them at once, and count the ledger.

        `under_way` is called as the burst begins, `at_the_end` before the count: they stop and start a Region.

        Raises:
            RequestFailed: the seats cannot be released, or the ledger cannot be read.
        """
        chosen = SEATS[:seats]
        round = self._release(backend, chosen)
        names = [f"buyer {number + 1}" for number in range(buyers)]
        start = time.time() + AHEAD
        regions = sorted(self.urls)
        shares = {region: names[index :: len(regions)] for index, region in enumerate(regions)}

        def send(region: str) -> list[dict[str, Any]]:
            sent = {
                "backend": backend,
                "seats": chosen,
                "round": round,
                "buyers": shares[region],
                "start": start,
            }
            try:
                found: list[dict[str, Any]] = request(self.urls[region], "/api/break-it", sent)["buyers"]
            except RequestFailed as error:
                found = [{"outcome": "failed", "error": str(error), "id": "", "steps": []}] * len(
                    shares[region]
                )
            return found

        with ThreadPoolExecutor(len(regions) + 1) as threads:
            answers = threads.map(send, [region for region in regions if shares[region]])
            if under_way is not None:
                time.sleep(max(0.0, start - time.time()))
                under_way()
            reports = [report for answer in answers for report in answer]
        if at_the_end is not None:
            at_the_end()
        return self._count(backend, chosen, round, reports)

    def _release(self, backend: str, seats: Sequence[str]) -> str:
        """Release the seats through the first Region that answers, and return their round."""
        failures = []
        for url in self.urls.values():
            try:
                return str(request(url, "/api/reset", {"backend": backend, "seats": seats})["round"])
            except RequestFailed as error:
                failures.append(str(error))
        raise RequestFailed("\n".join(failures))

    def ledger(self, backend: str, round: str) -> list[set[str]]:
        """Return the ids of the sales of a round, as each Region has them."""
        path = f"/api/evidence?backend={backend}&round={round}"
        return [{row["id"] for row in request(url, path)["rows"]} for url in self.urls.values()]

    def _settled(self, backend: str, round: str) -> tuple[list[set[str]], list[dict[str, Any]]]:
        """Return ledger and board of each Region once the ledgers are equal, or as they are after a time.

        Raises:
            RequestFailed: a Region does not answer.
        """
        until = time.monotonic() + SETTLED_WITHIN
        while True:
            try:
                ledgers = self.ledger(backend, round)
                if all(each == ledgers[0] for each in ledgers) or time.monotonic() > until:
                    return ledgers, [self._board(url, backend) for url in self.urls.values()]
            except RequestFailed:
                if time.monotonic() > until:
                    raise
            time.sleep(0.1)

    def _board(self, url: str, backend: str) -> dict[str, Any]:
        path = f"/api/seats?backend={backend}"
        board: dict[str, Any] = request(url, path)["backends"][backend]
        if "error" in board:
            raise RequestFailed(f"{url}{path}: the back end does not answer\n  why: {board['error']}")
        return board

    def _count(
        self, backend: str, seats: Sequence[str], round: str, reports: Sequence[Mapping[str, Any]]
    ) -> Result:
        ledgers, boards = self._settled(backend, round)
        rows = [[seat for seat in board["seats"] if seat["round"] == round] for board in boards]
        sold = sum(seat["sold"] for seat in rows[0])
        outcomes = [report["outcome"] for report in reports]
        told = {report["id"] for report in reports if report["outcome"] == "sold"}
        disagree = {seat for board in boards for seat in board["disagree"]}
        return Result(
            backend=backend,
            buyers=len(reports),
            seats=len(seats),
            sold=sold,
            oversold=sum(max(0, seat["sold"] - 1) for seat in rows[0]),
            lost=len(told.difference(*ledgers)),
            unknown=outcomes.count("unknown"),
            failed=outcomes.count("failed"),
            conflicts=sum(report.get("conflicts", 0) for report in reports),
            retries=sum(max(0, report.get("attempts", 1) - 1) for report in reports),
            commits=tuple(
                step["end"] - step["start"]
                for report in reports
                for step in report["steps"]
                if step["kind"] in ("commit", "conflict")
            ),
            error=next((report["error"] for report in reports if report.get("error")), None),
            agree=rows.count(rows[0]) == len(rows) and disagree.isdisjoint(seats),
        )


def request(url: str, path: str, body: object = None) -> Any:
    """Send a request and return the JSON of the answer; wait where the rate limit says so.

    Raises:
        RequestFailed: there is no answer, or it is an error.
    """
    content = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "accept": "application/json"}
    while True:
        sent = urllib.request.Request(url + path, content, headers)  # noqa: S310 (the URL of the user)
        try:
            with urllib.request.urlopen(sent, timeout=PATIENCE) as answer:  # noqa: S310
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            if error.code == 429:
                time.sleep(float(error.headers.get("retry-after") or 1))
                continue
            raise RequestFailed(f"{url}{path}: status {error.code}\n  why: {_reason(text)}") from None
        except (OSError, ValueError) as error:
            raise RequestFailed(
                f"{url}{path}: no answer\n  why: {error}\n  do:  check the URL, and that the app is running"
            ) from None


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text[:200]
