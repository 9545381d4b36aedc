"""The endpoints below `/api/`."""

from __future__ import annotations

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from blocks_runtime import DatabaseError, sql

from . import burst
from .backends import BACKENDS
from .board import board
from .dsql import MOST_BUYERS, db
from .http import BadRequest, answer, failure
from .limits import seconds_to_wait
from .seats import READ_DEADLINE, SEATS, Purchase, region
from .steps import Steps, observe_commits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .http import Request, Response
    from .seats import Backend

_LONGEST_NAME = 40
_STATUS = {"sold": 200, "taken": 409, "closed": 409, "failed": 503, "unknown": 503}
_registered: set[str] = set()


def seats(request: Request) -> Response:
    """Return the board of each back end: seats, sold and oversold by the ledger, rows that disagree."""
    wanted = request.query.get("backend")
    names = [_backend_name(wanted)] if wanted else [*BACKENDS]
    with ThreadPoolExecutor(len(names)) as threads:
        boards = dict(zip(names, threads.map(_board, names), strict=True))
    return answer(request, {"region": region(), "at": time.time(), "backends": boards})


def _board(name: str) -> object:
    try:
        return board(BACKENDS[name])
    except DatabaseError as error:
        return {"error": _first_line(error)}


def buy(request: Request) -> Response:
    """Buy one seat."""
    backend, (seat,) = _backend(request), _seats(request, "seat", most=1)
    observe_commits()
    report = burst.buy_once(backend, Purchase(seat, _name(request.body.get("buyer"))), Steps())
    return answer(request, {"region": region(), **report}, _STATUS[report["outcome"]])


def break_it(request: Request) -> Response:
    """Run the buyers of this Region; a client starts the other Region at the same time."""
    backend, seats = _backend(request), _seats(request, "seats", most=len(SEATS))
    buyers = request.body.get("buyers")
    if not isinstance(buyers, list) or not 1 <= len(buyers) <= MOST_BUYERS:
        raise BadRequest(f"buyers is no list of 1 to {MOST_BUYERS} names")
    names = [_name(each) for each in buyers]
    wanted = burst.Burst(seats, _round(request.body.get("round")), names, _time(request.body.get("start")))
    try:
        found = burst.run(backend, wanted)
    except burst.NotReleased as error:
        return failure(request, 409, f"{error}; reset them, and send the round of that answer")
    return answer(request, found)


def reset(request: Request) -> Response:
    """Release seats on a back end, or on all: they are free, in a new round. The ledger keeps its rows."""
    wanted = request.body.get("backend")
    names = [*BACKENDS] if wanted is None else [_backend_name(wanted)]
    seats = _seats(request, "seats", most=len(SEATS)) if "seats" in request.body else SEATS
    round = str(uuid.uuid4())
    failed = {}
    for name in names:
        try:
            BACKENDS[name].release(seats, round)
        except DatabaseError as error:
            failed[name] = _first_line(error)
    status = 503 if len(failed) == len(names) else 200
    return answer(request, {"round": round, "seats": len(seats), "failed": failed}, status)


def evidence(request: Request) -> Response:
    """Return the rows of the ledger of some rounds, and the query that returned them."""
    backend = BACKENDS[_backend_name(request.query.get("backend"))]
    try:
        given = request.query.get("round")
        rounds = [str(uuid.UUID(each)) for each in given.split(",")] if given else []
    except ValueError:
        raise BadRequest("round is no UUID, and no list of them with commas") from None
    if not rounds:
        rounds = sorted({seat["round"] for seat in backend.seats()})
    return answer(
        request, {"region": region(), "statement": backend.statement, "rows": backend.sales(rounds)}
    )


def regions(request: Request) -> Response:
    """Return the URL of each Region, and the ledger of the current rounds: two Regions that agree have one digest."""
    started = time.monotonic()
    _register(request.url)
    found = db.query(sql("SELECT region, url FROM regions ORDER BY region"), deadline=READ_DEADLINE)
    ledger = db.query_exactly_one(
        sql(
            "SELECT count(*) AS rows, md5(coalesce(string_agg(id::text, ',' ORDER BY id), '')) AS digest"
            " FROM seats JOIN ledger USING (round, seat_id)"
        ),
        deadline=READ_DEADLINE,
    )
    milliseconds = round((time.monotonic() - started) * 1000, 1)
    return answer(
        request, {"region": region(), "regions": found, "ledger": ledger, "milliseconds": milliseconds}
    )


def _register(url: str) -> None:
    """Write the URLs that this function knows into the database: its own, and that of a peer in its variables."""
    known = {region(): url.removesuffix("/")}
    if peer := os.environ.get("WORLDSEAT_PEER_URL"):
        known[os.environ["WORLDSEAT_PEER_REGION"]] = peer.removesuffix("/")
    for where, at in known.items():
        if at not in _registered:
            db.execute(
                sql(
                    "INSERT INTO regions (region, url) VALUES ({where}, {at}) ON CONFLICT (region)"
                    " DO UPDATE SET url = EXCLUDED.url WHERE regions.url <> EXCLUDED.url",
                    where=where,
                    at=at,
                ),
                deadline=READ_DEADLINE,
            )
            _registered.add(at)


ROUTES = {
    ("GET", "/api/seats"): seats,
    ("GET", "/api/evidence"): evidence,
    ("GET", "/api/regions"): regions,
    ("POST", "/api/buy"): buy,
    ("POST", "/api/break-it"): break_it,
    ("POST", "/api/reset"): reset,
}


def call(request: Request) -> Response:
    """Return the answer of an endpoint; each that writes has a rate limit."""
    route = ROUTES.get((request.method, request.path))
    if route is None:
        known = ", ".join(f"{method} {path}" for method, path in ROUTES)
        return failure(request, 404, f"there is no {request.method} {request.path}; there are {known}")
    try:
        if request.method == "POST":
            wait = seconds_to_wait(request.path.removeprefix("/api/"), request.client)
            if wait:
                message = f"too many requests in this minute; repeat it in {wait} s"
                return failure(request, 429, message, {"retry-after": str(wait)})
        return route(request)
    except BadRequest as error:
        return failure(request, 400, str(error))
    except DatabaseError as error:
        message = f"{region()} cannot answer now: {_first_line(error)}"
        return failure(request, 503, f"{message}; repeat it, or use the other Region")


def _first_line(error: DatabaseError) -> str:
    return str(error).splitlines()[0]


def _backend_name(given: object) -> str:
    if not isinstance(given, str) or given not in BACKENDS:
        raise BadRequest(f"backend names no back end; choose one of {', '.join(BACKENDS)}")
    return given


def _backend(request: Request) -> Backend:
    return BACKENDS[_backend_name(request.body.get("backend"))]


def _seats(request: Request, name: str, *, most: int) -> Sequence[str]:
    given = request.body.get(name)
    listed = given if isinstance(given, list) else [given]
    seats = [seat for seat in listed if isinstance(seat, str) and seat in SEATS]
    if seats != listed or not 1 <= len(seats) <= most:
        raise BadRequest(f"{name} names no seats from {SEATS[0]} to {SEATS[-1]}, or more than {most}")
    return [*dict.fromkeys(seats)]


def _round(given: object) -> str:
    try:
        return str(uuid.UUID(given if isinstance(given, str) else ""))
    except ValueError:
        raise BadRequest("round is no UUID; take that of the answer to /api/reset") from None


def _time(given: object) -> float:
    """Return seconds since the epoch: by default, now."""
    try:
        return float(given) if isinstance(given, (int, float)) else time.time()
    except OverflowError:
        raise BadRequest("start is no time; send seconds since the epoch") from None


def _name(given: object) -> str:
    if not isinstance(given, str) or not 1 <= len(given) <= _LONGEST_NAME or not given.isprintable():
        raise BadRequest(f"a buyer is a printable name of 1 to {_LONGEST_NAME} characters")
    return given
