"""`DevSession`: each change is deployed, and an error keeps the last good version."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from blocks_cli.dev.session import DevSession
from blocks_cli.errors import CommandError
from tests.support.dev_project import function_url
from tests.support.http_requests import fetch
from tests.support.timing import TooSlowError, unless_busy

if TYPE_CHECKING:
    from tests.blocks_cli.dev.conftest import Dev

CHANGE_TO_ANSWER = 1.0
"""Seconds from a saved handler to its next answer."""

WARM_OVERHEAD = 0.015
"""Seconds that a request to a warm function takes."""


def word(dev: Dev) -> str:
    return fetch(f"{dev.url()}/")[1]["x-word"]


def test_a_changed_handler_is_served_without_a_synth(dev: Dev) -> None:
    session = dev.start()
    assert word(dev) == "first"
    dev.project.write("functions/shared.py", "word = 'second'\n")
    outcome = session.change({"functions/shared.py"})
    assert word(dev) == "second"
    assert [change.path for change in outcome.changes] == ["S/Orders"]
    assert (outcome.synthesized, dev.project.synths) == (False, 1)


def test_a_handler_change_takes_less_than_a_second(dev: Dev) -> None:
    session, versions = dev.start(), iter(range(100))

    def change() -> None:
        version = f"v{next(versions)}"
        started = time.monotonic()
        dev.project.write("functions/shared.py", f"word = '{version}'\n")
        session.change({"functions/shared.py"})
        assert word(dev) == version
        if time.monotonic() - started > CHANGE_TO_ANSWER:
            raise TooSlowError

    unless_busy(change)


def test_a_warm_request_is_fast(dev: Dev) -> None:
    dev.start()
    word(dev)

    def run() -> None:
        times = []
        for _ in range(10):
            started = time.monotonic()
            word(dev)
            times.append(time.monotonic() - started)
        if min(times) > WARM_OVERHEAD:
            raise TooSlowError

    unless_busy(run)


def test_new_and_deleted_files(dev: Dev) -> None:
    session = dev.start()
    dev.project.write("functions/more.py", "word = 'third'\n")
    dev.project.write("functions/shared.py", "from more import word\n")
    assert not session.change({"functions/shared.py", "functions/more.py"}).synthesized
    assert word(dev) == "third"
    dev.project.write("functions/shared.py", "word = 'fourth'\n")
    (dev.project.folder / "functions/more.py").unlink()
    assert not session.change({"functions/shared.py", "functions/more.py"}).synthesized
    assert word(dev) == "fourth"
    assert not (session._account.store.path(session._app.code[0].key) / "more.py").exists()  # type: ignore[union-attr]


def test_a_change_back_and_an_equal_file(dev: Dev) -> None:
    session = dev.start()
    before = (dev.project.folder / "functions/shared.py").read_text()
    assert session.change({"functions/shared.py"}).changes == (), "saved without a change"
    dev.project.write("functions/shared.py", "word = 'second'\n")
    session.change({"functions/shared.py"})
    dev.project.write("functions/shared.py", before)
    session.change({"functions/shared.py"})
    assert word(dev) == "first"


BROKEN = {
    "syntax": ("functions/orders.py", "def handler(:", "Runtime.UserCodeSyntaxError"),
    "import": ("functions/shared.py", "import not_there", "Runtime.ImportModuleError"),
    "renamed handler": ("functions/orders.py", "def other(e, c): pass", "Runtime.HandlerNotFound"),
    "exception at import": ("functions/shared.py", "1 / 0", "ZeroDivisionError"),
    "exit at import": ("functions/shared.py", "import os; os._exit(4)", "exit status 4"),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_an_error_keeps_the_last_good_version(dev: Dev, case: tuple[str, str, str]) -> None:
    file, source, reason = case
    session = dev.start()
    good = (dev.project.folder / file).read_text()
    dev.project.write(file, source)
    with pytest.raises(CommandError) as failed:
        session.change({file})
    assert failed.value.what == "S/Orders: the new version does not start"
    assert reason in failed.value.why
    assert word(dev) == "first"
    with pytest.raises(CommandError):  # a full deploy tries the broken version again
        session.deploy()
    dev.project.write(file, good)
    session.change({file})
    assert word(dev) == "first"


def test_a_changed_app_is_synthesized(dev: Dev) -> None:
    session = dev.start()
    dev.project.variables["COLOUR"] = "blue"
    outcome = session.change({"app.py"})
    assert outcome.synthesized
    assert json.loads(fetch(f"{dev.url()}/")[2])["environ"]["COLOUR"] == "blue"


def test_a_failing_synth_keeps_serving(dev: Dev) -> None:
    session = dev.start()
    good = dev.project.synthesize

    def fail() -> None:
        raise CommandError("synth failed", "why", "do")

    session._synthesize = fail  # type: ignore[assignment]
    with pytest.raises(CommandError, match="synth failed"):
        session.change({"app.py"})
    assert word(dev) == "first"
    session._synthesize = good
    dev.project.write("functions/shared.py", "word = 'second'\n")
    session.change({"functions/shared.py"})
    assert word(dev) == "second"


def test_a_new_endpoint_is_served_and_a_removed_one_is_not(dev: Dev) -> None:
    session = dev.start()
    old = dev.url()
    dev.project.more["Other"] = function_url("Orders")
    del dev.project.more["Url"]
    session.change({"app.py"})
    assert fetch(f"{dev.url()}/")[0] == 200
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(old.rpartition(":")[2])), timeout=5)


def test_urls_are_the_same_in_the_next_session(dev: Dev) -> None:
    dev.start()
    before = dev.url(), dev.url("api")
    dev.session.__exit__(None, None, None)
    dev.start()
    assert (dev.url(), dev.url("api")) == before
    assert word(dev) == "first"


def test_a_taken_port_moves_the_url_and_its_references(dev: Dev) -> None:
    dev.project.variables["OWN_URL"] = "set below"
    session = dev.start()
    old = dev.url()
    session.__exit__(None, None, None)
    with socket.create_server(("127.0.0.1", int(old.rpartition(":")[2]))):
        dev.start()
        assert dev.url() != old
        assert fetch(f"{dev.url()}/")[0] == 200
    assert any(old in note and dev.url() in note for note in dev.report.notes)


def test_a_second_session_and_a_deploy_are_refused(dev: Dev) -> None:
    dev.start()
    with pytest.raises(CommandError, match="`blocks dev` is running"):
        DevSession(dev.project.folder, dev.report, dev.project.synthesize, "eu-west-1")


def test_the_http_api(dev: Dev) -> None:
    dev.start()
    status, _, body = fetch(f"{dev.url('api')}/orders/a%20b?x=1")
    event = json.loads(body)["event"]
    assert (status, event["routeKey"]) == (200, "GET /orders/{id}")
    assert event["pathParameters"] == {"id": "a b"}
    status, _, body = fetch(
        f"{dev.url('api')}/orders", data=b"\xff\x00", headers={"content-type": "image/png"}
    )
    event = json.loads(body)["event"]
    assert (event["body"], event["isBase64Encoded"]) == ("/wA=", True)
    assert fetch(f"{dev.url('api')}/nothing")[::2] == (404, b'{"message": "Not Found"}')


def test_fifty_requests_at_once(dev: Dev) -> None:
    """They share the sandboxes that are free, and none fails."""
    dev.start()
    with ThreadPoolExecutor(50) as executor:
        statuses = [*executor.map(lambda number: fetch(f"{dev.url()}/{number}")[0], range(50))]
    assert statuses == [200] * 50


SIZES = {"5 MB": (5, 200), "7 MB": (7, 413)}


@pytest.mark.parametrize(("megabytes", "expected"), SIZES.values(), ids=SIZES)
def test_large_bodies(dev: Dev, megabytes: int, expected: int) -> None:
    dev.project.write("functions/orders.py", "def handler(event, context): return len(event['body'])")
    dev.start()
    body = b"x" * (megabytes << 20)
    status, _, answer = fetch(f"{dev.url()}/", data=body, headers={"content-type": "text/plain"})
    assert status == expected
    assert status != 200 or int(answer) == len(body)


FAILING = {
    "exception": ("raise ValueError('x')", "[ERROR] ValueError: x"),
    "exit": ("import os; os._exit(1)", "Error: Runtime exited with error: exit status 1"),
    "timeout": ("import time; time.sleep(60)", "Task timed out after 1.00 seconds"),
    "too large": ("return 'x' * (7 << 20)", "Error: Response payload size exceeded"),
    "malformed": (
        "return {'statusCode': 200, 'body': {}}",
        "S/Orders: the result is no HTTP response: body is",
    ),
}


@pytest.mark.parametrize(("source", "shown"), FAILING.values(), ids=FAILING)
def test_a_failing_handler(dev: Dev, source: str, shown: str) -> None:
    """Each failure is in the log, or a note that names the endpoint as `blocks dev` does."""
    dev.project.timeout = 1
    dev.project.write("functions/orders.py", f"def handler(event, context):\n    {source}\n")
    dev.start()
    assert fetch(f"{dev.url()}/")[::2] == (502, b"Internal Server Error")
    assert fetch(f"{dev.url('api')}/orders/1")[::2] == (500, b'{"message": "Internal Server Error"}')
    printed = [*(line.text for line in dev.session._account.log.read()), *dev.report.notes]
    assert sum(shown in line for line in printed) == (1 if shown.startswith("S/Orders: ") else 2), printed


def test_megabytes_of_output_do_not_hold_up_a_handler(dev: Dev) -> None:
    source = """
def handler(event, context):
    print(("x" * 99 + "\\n") * 300_000)
    print("y" * (30 << 20))
    return "done"
"""
    dev.project.write("functions/orders.py", source)
    dev.start()
    assert fetch(f"{dev.url()}/")[::2] == (200, b"done")
    log = dev.session._account.log.read()
    assert "lines left out" in log[-1].text
    assert sum(len(line.text) for line in log) < 16 << 20


def test_a_url_with_iam_needs_a_signature(dev: Dev) -> None:
    dev.project.more["Url"] = function_url("Orders", AuthType="AWS_IAM")
    dev.start()
    assert fetch(f"{dev.url()}/")[::2] == (403, b'{"Message": "Forbidden"}')
    signed = "AWS4-HMAC-SHA256 Credential=ASIANOBODY/20261129/eu-west-1/lambda/aws4_request, Signature=0"
    assert fetch(f"{dev.url()}/", headers={"authorization": signed})[0] == 403
