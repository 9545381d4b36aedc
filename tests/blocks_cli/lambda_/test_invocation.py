"""Invocations with all outcomes, with each runtime client."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blocks_cli.errors import CommandError
from blocks_cli.lambda_.remedies import remedy
from tests.support.lambda_functions import THIS_PYTHON, Workbench
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from blocks_cli.json_value import Json
    from blocks_cli.lambda_.function import LocalFunction
    from blocks_runtime.signing import Credentials

ECHO = """
import os, sys, logging
logging.getLogger().setLevel("INFO")
count = 0

def handler(event, context):
    global count
    count += 1
    print("printed", event)
    logging.info("logged")
    return {
        "event": event, "count": count, "pid": os.getpid(), "environ": dict(os.environ), "cwd": os.getcwd(),
        "context": {name: getattr(context, name) for name in (
            "aws_request_id", "function_name", "function_version", "invoked_function_arn",
            "memory_limit_in_mb", "log_group_name")},
        "left": context.get_remaining_time_in_millis(),
    }
"""


@dataclass(frozen=True)
class Failure:
    """A function that fails, the expected result, and a text of its log: the error type unless given."""

    source: str
    error_type: str
    message: str
    settings: dict[str, object] = field(default_factory=dict)
    remedy: str | None = None
    log: str | None = None


FAILURES = {
    "exception": Failure(
        "def handler(e, c):\n    raise KeyError('no such account')", "KeyError", "'no such account'"
    ),
    "exit": Failure(
        "import os\ndef handler(e, c):\n    os._exit(3)",
        "Runtime.ExitError",
        "Error: Runtime exited with error: exit status 3",
        log="Error: Runtime exited with error: exit status 3\nRuntime.ExitError\n",
    ),
    "exit at import": Failure(
        "import os\nos._exit(4)", "Runtime.ExitError", "Error: Runtime exited with error: exit status 4"
    ),
    "exit within a line": Failure(
        "import os\ndef handler(e, c):\n    print('half', end='', flush=True)\n    os._exit(3)",
        "Runtime.ExitError",
        "exit status 3",
        log="half\nRequestId: ",
    ),
    "killed": Failure(
        "import os\ndef handler(e, c):\n    os.kill(os.getpid(), 9)",
        "Runtime.ExitError",
        "Error: Runtime exited with error: signal: killed",
    ),
    "not JSON": Failure(
        "def handler(e, c):\n    return {1, 2}",
        "Runtime.MarshalError",
        "Unable to marshal",
        remedy="`jsonable(rows)`",
    ),
    "module missing": Failure(
        "def handler(e, c): pass",
        "Runtime.ImportModuleError",
        "Unable to import module 'nothing': No module named 'nothing'",
        {"handler": "nothing.handler"},
        remedy="there is no module nothing",
    ),
    "import in module": Failure(
        "import not_bundled\ndef handler(e, c): pass",
        "Runtime.ImportModuleError",
        "Unable to import module 'index': No module named 'not_bundled'",
        remedy="the package of not_bundled in requirements.txt",
    ),
    "no grant": Failure(
        "import blocks_runtime\ndef handler(e, c): pass",
        "Runtime.ImportModuleError",
        "Unable to import module 'index': No module named 'blocks_runtime'",
        remedy="`db.grant_connect(fn)`",
    ),
    "no grant, a module of a package": Failure(
        "from blocks_runtime.aio import DistributedDatabase\ndef handler(e, c): pass",
        "Runtime.ImportModuleError",
        "Unable to import module 'index': No module named 'blocks_runtime'",
        remedy="`db.grant_connect(fn)`",
    ),
    "function missing": Failure(
        "x = 1",
        "Runtime.HandlerNotFound",
        "Handler 'handler' missing on module 'index'",
        remedy="define handler in the module index",
    ),
    "syntax": Failure("def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'index'"),
    "malformed": Failure(
        "x = 1",
        "Runtime.MalformedHandlerName",
        "Bad handler 'handler'",
        {"handler": "handler"},
        remedy="module.function",
    ),
    "exception at import": Failure("raise RuntimeError('at import')", "RuntimeError", "at import"),
    "timeout": Failure(
        "import time\ndef handler(e, c):\n    time.sleep(60)",
        "Sandbox.Timedout",
        "Error: Task timed out after 0.30 seconds",
        {"timeout": 0.3},
        remedy="`deadline=context`",
        log="Task timed out after 0.30 seconds\n",
    ),
    "too large": Failure(
        "def handler(e, c): return 'x' * (7 << 20)",
        "Function.ResponseSizeTooLarge",
        "Response payload size exceeded maximum allowed payload size",
    ),
    "too much memory": Failure(
        "import time\ndef handler(e, c):\n    taken = bytes(1) * (300 << 20)\n    time.sleep(5)",
        "Runtime.ExitError",
        "Error: Runtime exited with error: signal: killed",
        {"memory": 128},
        remedy="`memory_size` of the function: it used more than its 128 MB",
        log="Memory Size: 128 MB",
    ),
}


ERRORS = {
    "1 KB": "raise ValueError('x' * 1_000)",
    "70 KB": "raise ValueError('x' * 70_000)",
    "900 KB": "raise ValueError('x' * 900_000)",
    "2 MB": "raise ValueError('x' * 2_000_000)",
    "recursion": "deeper = lambda n: deeper(n + 1)\n    deeper(0)",
    "Latin-1": "raise ValueError('tschüß')",
    "Chinese": "raise ValueError('日本')",
    "name of the class": "raise type('Größe日本', (Exception,), {})('x')",
}
"""Bodies of a handler that raise an error of another size or in another script."""


@pytest.mark.parametrize("phase", ["invocation", "init"])
@pytest.mark.parametrize("source", ERRORS.values(), ids=ERRORS)
def test_any_error_is_reported(bench: Workbench, source: str, phase: str) -> None:
    function = bench.function(f"def handler(e, c):\n    {source}\n" + "handler(0, 0)\n" * (phase == "init"))
    _write_any_text(function)
    with pytest.raises(Exception) as raised:
        exec(f"def handler():\n    {source}\nhandler()", {})
    result = function.invoke(None)
    assert result.error_type == type(raised.value).__name__
    assert str(result.error_message).startswith(str(raised.value)[:20])
    assert isinstance(result.payload, dict)
    assert function.invoke(None).cold is (phase == "init"), "an error of the handler leaves the sandbox warm"


def _write_any_text(function: LocalFunction) -> None:
    """Let the runtime client write JSON that is not ASCII, as it does from Python 3.12 on."""
    prepared = function._prepared
    function._prepared = replace(prepared, function=replace(prepared.function, runtime="python3.12"))


@pytest.mark.parametrize("name", ["mein übung", "日本"])
def test_a_project_may_have_any_path(tmp_path: Path, name: str) -> None:
    """The path of the project is in the trace of an error that the runtime client posts."""
    made = Workbench(tmp_path / name)
    try:
        function = made.function("raise ValueError(__file__)", source=".")
        _write_any_text(function)
        failed = function.invoke(None)
        worked = made.function("def handler(e, c): return __file__").invoke(None)
    finally:
        made.close()
    assert (failed.error_type, failed.error_message) == ("ValueError", "index.py")
    assert not worked.failed


def test_event_context_environment(bench: Workbench) -> None:
    function = bench.function(ECHO, environment={"COLOUR": "blue", "AWS_REGION": "not this"})
    result = function.invoke({"amount": 1})
    assert result.error_type is None
    seen = result.payload
    assert isinstance(seen, dict)
    assert seen["event"] == {"amount": 1}
    assert seen["context"] == {
        "aws_request_id": result.request_id,
        "function_name": "Bank-Pay-1",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:eu-west-1:000000000000:function:Bank-Pay-1",
        "memory_limit_in_mb": "256",
        "log_group_name": "/aws/lambda/Bank-Pay-1",
    }
    left = seen["left"]
    assert isinstance(left, int)
    assert 9_000 < left <= 10_000
    environ = seen["environ"]
    assert isinstance(environ, dict)
    expected = {
        "COLOUR": "blue",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{THIS_PYTHON}",
        "AWS_LAMBDA_FUNCTION_NAME": "Bank-Pay-1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/Bank-Pay-1",
        "_HANDLER": "index.handler",
        "LAMBDA_TASK_ROOT": seen["cwd"],
        "TZ": ":UTC",
    }
    assert {name: environ.get(name) for name in expected} == expected
    assert str(environ["_X_AMZN_TRACE_ID"]).startswith("Root=1-")
    assert not {"HOME", "USER", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST"} & set(environ), "nothing of the shell's"


def test_output_is_shown_and_the_tail_returned(bench: Workbench) -> None:
    result = bench.function(ECHO).invoke({"n": 7})
    printed, logged = result.log_tail.splitlines()
    assert printed == "printed {'n': 7}"
    assert logged.startswith("[INFO]\t")
    assert logged.endswith(f"Z\t{result.request_id}\tlogged")
    assert bench.lines == [printed, logged]


def test_a_warm_sandbox_keeps_its_memory(bench: Workbench) -> None:
    function = bench.function(ECHO)
    results = [function.invoke(None) for _ in range(3)]
    assert [result.cold for result in results] == [True, False, False]
    assert [_field(result.payload, "count") for result in results] == [1, 2, 3]
    assert results[2].log_tail.count("printed") == 1, "the log of this invocation only"


def test_a_warm_invocation_takes_a_few_milliseconds(bench: Workbench) -> None:
    """Nagle's algorithm with delayed acknowledgements would cost 40 ms per message."""
    function = bench.function("def handler(e, c): return 1")
    function.invoke(None)
    assert min(function.invoke(None).duration for _ in range(10)) < 0.02


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failure_is_reported_as_on_lambda(bench: Workbench, failure: Failure) -> None:
    if "memory" in failure.settings and not bench.on_linux:
        pytest.skip("the memory of a process is known on Linux only")
    result = bench.function(failure.source, **failure.settings).invoke({})
    assert result.failed
    expected = failure.log or failure.error_type
    assert expected in result.log_tail
    wait_until(lambda: expected.rstrip("\n") in "\n".join(bench.lines))
    assert result.error_type == failure.error_type
    assert result.error_message is not None
    assert failure.message in result.error_message
    assert _field(result.payload, "errorType") == failure.error_type, "the payload is Lambda's error object"
    told = remedy(result)
    assert (told is None) == (failure.remedy is None)
    assert (failure.remedy or "") in (told or "")


def test_a_stack_trace_begins_at_the_handler(bench: Workbench) -> None:
    result = bench.function("def handler(e, c):\n    raise ValueError('bad')").invoke({})
    assert len(result.stack_trace) == 1
    assert "index.py" in result.stack_trace[0]
    assert "raise ValueError('bad')" in result.stack_trace[0]
    assert "[ERROR] ValueError: bad" in result.log_tail


def test_after_a_crash_and_a_timeout_the_next_invocation_gets_a_new_sandbox(bench: Workbench) -> None:
    source = """
import os, time
def handler(event, context):
    if event == "exit": os._exit(1)
    if event == "sleep": time.sleep(60)
    return os.getpid()
"""
    function = bench.function(source, timeout=0.5)
    first = function.invoke(None)
    assert function.invoke("exit").error_type == "Runtime.ExitError"
    assert function.invoke("sleep").error_type == "Sandbox.Timedout"
    last = function.invoke(None)
    assert last.cold
    assert last.payload != first.payload


def test_an_exception_leaves_the_sandbox_warm(bench: Workbench) -> None:
    function = bench.function("def handler(event, c):\n    return 1 / event")
    assert function.invoke(0).error_type == "ZeroDivisionError"
    assert function.invoke(1).cold is False


def test_concurrent_invocations_run_in_sandboxes_of_their_own(plain_bench: Workbench) -> None:
    """Each of three invocations waits for the other two."""
    source = """
import os, socket
def handler(port, context):
    with socket.create_connection(("127.0.0.1", port)) as meeting:
        meeting.recv(1)
    return os.getpid()
"""
    function = plain_bench.function(source)
    with socket.create_server(("127.0.0.1", 0)) as meeting, ThreadPoolExecutor(3) as executor:
        port = meeting.getsockname()[1]
        pids = [executor.submit(function.invoke, port) for _ in range(3)]
        for arrived in [meeting.accept()[0] for _ in range(3)]:
            arrived.close()
        results = [each.result() for each in pids]
    assert not any(each.failed for each in results)
    assert len({str(each.payload) for each in results}) == 3


def test_reserved_concurrency_throttles(plain_bench: Workbench) -> None:
    function = plain_bench.function("import time\ndef handler(e, c): time.sleep(e)", concurrency=1)
    busy = threading.Thread(target=function.invoke, args=(1.0,))
    busy.start()
    while not function._busy:
        time.sleep(0.005)
    assert function.invoke(0).error_type == "TooManyRequestsException"
    busy.join()
    assert not function.invoke(0).failed


def test_a_sandbox_has_its_own_temporary_folder(bench: Workbench) -> None:
    source = """
import os, pathlib, tempfile
def handler(event, context):
    pathlib.Path(tempfile.gettempdir(), "note").touch()
    return tempfile.gettempdir()
"""
    function = bench.function(source)
    folder = str(function.invoke(None).payload)
    assert folder == "/tmp" if bench.on_linux else folder.startswith(str(bench.folder / "tmp"))
    assert not Path("/tmp/note").exists()
    function.close()
    assert not list((bench.folder / "tmp").iterdir())


def _field(payload: Json, name: str) -> Json:
    assert isinstance(payload, dict)
    return payload[name]


def test_a_sandbox_that_cannot_be_started_is_an_error_of_the_service(plain_bench: Workbench) -> None:
    """As when the database that gives credentials has ended; the invocation does not wait for ever."""
    function = plain_bench.function("def handler(e, c): return 1")

    def fail() -> Credentials:
        raise CommandError("the local database has stopped", "it was killed", "start it again")

    working, function._credentials = function._credentials, fail
    result = function.invoke(None)
    assert result.error_type == "ServiceException"
    assert "the local database has stopped" in str(result.error_message)
    assert "the local database has stopped" in plain_bench.lines[0]
    assert function.warm_up() is not None
    function._credentials = working
    assert function.invoke(None).payload == 1


def test_a_fault_while_a_sandbox_starts_ends_the_invocation(
    plain_bench: Workbench, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of the program: its trace is logged, and the invocation does not wait for ever."""
    function = plain_bench.function("def handler(e, c): return 1")

    def fail() -> Credentials:
        raise RuntimeError("an unexpected fault")

    function._credentials = fail
    result = function.invoke(None)
    assert result.error_type == "ServiceException"
    assert "an unexpected fault" in str(result.error_message)
    assert 'raise RuntimeError("an unexpected fault")' in caplog.text
