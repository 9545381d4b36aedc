"""The endpoints of WorldSeat in one Region: purchases, bursts, limits, evidence, and the files of the page."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from examples.worldseat import client as load_client
from examples.worldseat.functions.sale.board import compare
from examples.worldseat.functions.sale.seats import SEATS
from tests.end_to_end.worldseat.conftest import EXAMPLE

if TYPE_CHECKING:
    from examples.worldseat.functions.sale.seats import Sale, Seat
    from tests.end_to_end.worldseat.conftest import Site

MOST_BYTES = 150 * 1024
BACKENDS = load_client.BACKENDS
ROUND = str(uuid.UUID(int=7))
WRITES = ("buy", "break-it", "reset")
BURST = {"backend": "dsql", "seats": ["A1"], "buyers": ["a"], "round": ROUND}
NESTED: object = json.loads("[" * 900 + "]" * 900)
"""A value that the parser takes, and that is deeper than a function may go that converts it to text."""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_seat_is_sold_and_then_taken(site: Site, backend: str) -> None:
    first = site.post("/api/buy", {"backend": backend, "seat": "C4", "buyer": "Ada"})
    assert (first.status, first.body["outcome"], first.body["attempts"]) == (200, "sold", 1)
    second = site.post("/api/buy", {"backend": backend, "seat": "C4", "buyer": "Grace"})
    assert (second.status, second.body["outcome"]) == (409, "taken")
    board = site.get("/api/seats", {"backend": backend}).body["backends"][backend]
    assert [seat["owner"] for seat in board["seats"] if seat["sold"]] == ["Ada"]
    assert (board["sold"], board["oversold"], board["disagree"]) == (1, 0, [])
    rows = site.get("/api/evidence", {"backend": backend}).body["rows"]
    assert [(row["seat"], row["buyer"], row["id"]) for row in rows] == [("C4", "Ada", first.body["id"])]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_released_seat_is_free_and_the_ledger_keeps_its_sale(site: Site, backend: str) -> None:
    site.post("/api/buy", {"backend": backend, "seat": "A1", "buyer": "Ada"})
    (before,) = site.get("/api/evidence", {"backend": backend}).body["rows"]
    site.post("/api/reset", {"backend": backend, "seats": ["A1"]})
    assert site.get("/api/seats", {"backend": backend}).body["backends"][backend]["sold"] == 0
    query = {"backend": backend, "round": before["round"]}
    assert site.get("/api/evidence", query).body["rows"] == [before]


@pytest.mark.parametrize("backend", ["dsql", "atomic"])
def test_a_burst_sells_a_seat_once(site: Site, backend: str) -> None:
    round = site.post("/api/reset", {"backend": backend, "seats": ["A1"]}).body["round"]
    buyers = [f"buyer {number}" for number in range(8)]
    answer = site.post(
        "/api/break-it", {"backend": backend, "seats": ["A1"], "round": round, "buyers": buyers}
    )
    outcomes = [buyer["outcome"] for buyer in answer.body["buyers"]]
    assert sorted(outcomes) == ["sold", *["taken"] * 7]
    for buyer in answer.body["buyers"]:
        assert [step["kind"] for step in buyer["steps"]].count("commit") == (buyer["outcome"] == "sold")
        assert buyer["attempts"] == 1 + buyer["conflicts"]


def test_a_conflict_is_retried_and_shown_as_steps(site: Site) -> None:
    site.cluster.inject("OC000", table="seats")
    found = site.post("/api/buy", {"backend": "dsql", "seat": "B2", "buyer": "Ada"}).body
    assert (found["outcome"], found["attempts"], found["conflicts"]) == ("sold", 2, 1)
    kinds = [step["kind"] for step in found["steps"]]
    assert kinds == ["read", "write", "conflict", "wait", "read", "write", "commit"]
    ends = [step["end"] for step in found["steps"]]
    assert ends == sorted(ends)


def test_a_lost_answer_is_unknown_and_the_sale_is_found_by_its_id(site: Site) -> None:
    site.cluster.inject("outcome-unknown", table="seats")
    found = site.post("/api/buy", {"backend": "dsql", "seat": "D1", "buyer": "Ada"})
    assert (found.status, found.body["outcome"]) == (503, "unknown")
    rows = site.get("/api/evidence", {"backend": "dsql"}).body["rows"]
    assert [row["id"] for row in rows] == [found.body["id"]]
    assert found.body["steps"][-1]["kind"] == "error"


def test_a_burst_in_a_round_that_is_over_sells_nothing(site: Site) -> None:
    body = {"backend": "atomic", "seats": ["A1"], "round": ROUND, "buyers": ["Ada"]}
    from examples.worldseat.functions.sale import burst

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(burst, "VISIBLE_WITHIN", 0.1)
        answer = site.post("/api/break-it", body)
    assert answer.status == 409
    assert "reset them" in answer.body["error"]


@pytest.mark.parametrize(
    ("path", "body", "status", "expected"),
    [
        ("/api/buy", {"backend": "oracle", "seat": "A1", "buyer": "Ada"}, 400, "choose one of dsql"),
        ("/api/buy", {"backend": "dsql", "seat": "Z9", "buyer": "Ada"}, 400, "A1 to H12"),
        ("/api/buy", {"backend": "dsql", "seat": "A1"}, 400, "printable name"),
        ("/api/buy", "[1]", 400, "no JSON object"),
        ("/api/buy", "{" + " " * 20000, 400, "fewer"),
        ("/api/break-it", {"backend": "dsql", "seats": ["A1"], "buyers": ["a"] * 61}, 400, "1 to 60"),
        ("/api/break-it", {"backend": "dsql", "seats": ["A1"], "buyers": ["a"], "round": "1"}, 400, "UUID"),
        ("/api/refund", {}, 404, "POST /api/buy"),
        *((f"/api/{name}", {"backend": []}, 400, "choose one of") for name in WRITES),
        *((f"/api/{name}", {"backend": {"dsql": 1}}, 400, "choose one of") for name in WRITES),
        *((f"/api/{name}", "[" * 16_000, 400, "no JSON object") for name in WRITES),
        *((f"/api/{name}", b'{"backend": "\xff"}', 400, "no JSON object") for name in WRITES),
        ("/api/buy", {"backend": NESTED, "seat": "A1", "buyer": "a"}, 400, "choose one of"),
        ("/api/buy", {"backend": "dsql", "seat": NESTED, "buyer": "a"}, 400, "A1 to H12"),
        ("/api/buy", {"backend": "dsql", "seat": {"A1": 1}, "buyer": "a"}, 400, "A1 to H12"),
        ("/api/buy", {"backend": "dsql", "seat": "A1", "buyer": NESTED}, 400, "printable name"),
        ("/api/reset", {"seats": None}, 400, "A1 to H12"),
        ("/api/reset", {"seats": [["A1"]]}, 400, "A1 to H12"),
        ("/api/break-it", BURST | {"round": NESTED}, 400, "UUID"),
        ("/api/break-it", BURST | {"start": 10**400}, 400, "seconds"),
        ("/api/break-it", BURST | {"buyers": [NESTED]}, 400, "printable name"),
    ],
    ids=lambda given: given if isinstance(given, str) and len(given) < 20 else None,
)
def test_wrong_requests_say_what_to_send(
    site: Site, path: str, body: object, status: int, expected: str
) -> None:
    answer = site.post(path, body)
    assert answer.status == status, answer.body
    assert expected in answer.body["error"]


def test_a_body_without_a_content_type_of_text_is_read(site: Site) -> None:
    """As that of `curl -d`."""
    assert site.post("/api/buy", b'{"backend": "dsql", "seat": "A1", "buyer": "Ada"}').status == 200


@pytest.mark.parametrize("endpoint", WRITES)
def test_every_write_has_a_limit_for_each_client(site: Site, endpoint: str) -> None:
    answers = [site.post(f"/api/{endpoint}", {"backend": "none"}).status for _ in range(7)]
    assert 429 in answers[5:], "a minute may end in between"
    assert answers.count(400) >= 5
    assert site.post(f"/api/{endpoint}", {"backend": "none"}, client="192.0.2.2").status == 400
    refused = [site.post(f"/api/{endpoint}", {}) for _ in range(6)]
    assert all(1 <= int(each.headers["retry-after"]) <= 60 for each in refused if each.status == 429)


def test_a_write_is_refused_while_the_limit_cannot_be_counted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from examples.worldseat.functions.sale import limits

    monkeypatch.setattr(limits, "READ_DEADLINE", 0.5)
    site.dynamo.stop_region("us-east-1")
    try:
        answer = site.post("/api/buy", {"backend": "dsql", "seat": "A1", "buyer": "Ada"})
    finally:
        site.dynamo.start_region("us-east-1")
    assert answer.status == 503
    assert "use the other Region" in answer.body["error"]


def test_a_region_registers_its_url(site: Site) -> None:
    found = site.get("/api/regions").body
    assert found["region"] == "us-east-1"
    assert {"region": "us-east-1", "url": "http://127.0.0.1:1"} in found["regions"]


@pytest.mark.parametrize(
    ("owner", "buyers", "sold", "oversold", "disagrees"),
    [
        (None, [], 0, 0, False),
        ("Ada", ["Ada"], 1, 0, False),
        ("Ada", ["Grace"], 1, 0, True),
        (None, ["Ada"], 1, 0, True),
        ("Ada", [], 0, 0, True),
        ("Ada", ["Ada", "Grace"], 2, 1, True),
        ("Ada", ["Ada", "Ada"], 2, 1, True),
    ],
)
def test_the_board_is_computed_from_the_ledger(
    owner: str | None, buyers: list[str], sold: int, oversold: int, disagrees: bool
) -> None:
    seats: list[Seat] = [{"seat": "A1", "round": ROUND, "owner": owner}]
    rest = {"region": "us-east-1", "attempts": 1, "at": ""}
    sales: list[Sale] = [
        {"id": str(n), "round": ROUND, "seat": "A1", "buyer": buyer, **rest}  # type: ignore[typeddict-item]
        for n, buyer in enumerate(buyers)
    ]
    earlier: Sale = {"id": "0", "round": str(uuid.UUID(int=1)), "seat": "A1", "buyer": "Eve", **rest}  # type: ignore[typeddict-item]
    found = compare(seats, [earlier, *sales])
    assert (found["sold"], found["oversold"]) == (sold, oversold)
    assert found["disagree"] == (["A1"] if disagrees else [])


def test_the_page_has_all_seats_and_is_small(site: Site) -> None:
    page = site.get("/", accept_encoding="gzip")
    assert page.status == 200
    assert all(f'id="{seat}"' in page.body for seat in SEATS)
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert site.get("/", if_none_match=page.headers["etag"]).status == 304
    assert site.get("/../web.py").status == 404
    files = [path.name for path in (EXAMPLE / "functions" / "sale" / "page").iterdir()]
    sizes = {name: len(site.get(f"/{name}").body.encode()) for name in files}
    assert sum(sizes.values()) <= MOST_BYTES
    assert all(site.get(f"/{name}").status == 200 for name in files)


def test_the_page_loads_nothing_from_other_hosts() -> None:
    for path in (EXAMPLE / "functions" / "sale" / "page").iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "innerHTML" not in text
        hosts = [part.split("/")[0] for part in text.split("://")[1:]]
        assert all(host.startswith("127.0.0.1") for host in hosts), path.name


def test_the_load_client_knows_the_seats_and_the_back_ends() -> None:
    from examples.worldseat.functions.sale import backends

    assert load_client.SEATS == SEATS
    assert tuple(backends.BACKENDS) == BACKENDS
