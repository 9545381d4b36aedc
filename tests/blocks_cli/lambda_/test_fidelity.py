"""Limits of a function, as on Lambda: read-only code, memory, payloads, processes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blocks_cli.lambda_.code_store import CodeStore
from blocks_cli.lambda_.limits import MAX_EVENT, MAX_RESPONSE
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.lambda_functions import Workbench

WRITES = """
import os, pathlib
def handler(event, context):
    root = pathlib.Path(os.environ["LAMBDA_TASK_ROOT"])
    failed = []
    for path in (root / "new.txt", root / "index.py", pathlib.Path("relative.txt")):
        try:
            path.write_text("written")
        except OSError as error:
            failed.append(error.errno)
    pathlib.Path("/tmp/blocks-test-file").write_text("x") if event == "tmp" else None
    return failed
"""


def _content(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_no_handler_changes_its_code(bench: Workbench) -> None:
    function = bench.function(WRITES)
    before = _content(function.deployed.code)
    failed = function.invoke(None).payload
    if bench.on_linux:
        assert failed == [30, 30, 30], "EROFS, as on Lambda"
    elif os.geteuid() != 0:  # root ignores permissions, but has written into a copy only
        assert failed == [13, 13, 13], "EACCES"
    assert _content(function.deployed.code) == before, "the cache is never changed"


def test_files_outside_of_tmp_are_read_only(plain_bench: Workbench) -> None:
    outside = plain_bench.folder / "outside.txt"
    source = f"def handler(e, c):\n    open({str(outside)!r}, 'w')"
    assert "Read-only file system" in str(plain_bench.function(source).invoke(None).error_message)
    assert not outside.exists()


def test_tmp_has_its_size(plain_bench: Workbench) -> None:
    source = "def handler(e, c):\n    open('/tmp/big', 'wb').write(bytes(e << 20))"
    function = plain_bench.function(source, storage=8, memory=512)
    assert not function.invoke(6).failed
    assert "No space left on device" in str(function.invoke(9).error_message)


def test_bytecode_is_cached_beside_the_code(bench: Workbench) -> None:
    """The second sandbox compiles nothing, although the code is read-only; also one that runs a copy of the code."""
    function = bench.function("def handler(e, c): return __spec__.origin")
    assert not function.invoke(None).failed
    (module,) = bench.store.bytecode.rglob("index.*.pyc")
    assert module.parent == bench.store.bytecode / str(function.deployed.code)[1:]
    compiled = module.stat().st_ino, module.stat().st_mtime_ns
    function.recycle()
    assert str(function.invoke(None).payload).endswith("/index.py")
    assert [*bench.store.bytecode.rglob("index.*.pyc")] == [module]
    assert (module.stat().st_ino, module.stat().st_mtime_ns) == compiled, "it was read"


def test_bytecode_of_installed_packages_is_cached(bench: Workbench) -> None:
    """A sandbox that compiles boto3 or psycopg takes most of a second longer."""
    function = bench.function("import six\ndef handler(e, c): return six.__file__")
    result = function.invoke(None)
    assert "packages-" in str(result.payload)
    assert [*bench.store.bytecode.rglob("six.*.pyc")]


def test_a_derived_bundle_has_the_bytecode_of_unchanged_files(tmp_path: Path) -> None:
    store = CodeStore(tmp_path / "code")
    key = store.inline("x = 1")
    for name in ("index", "pack/other"):
        source = store.path(key) / f"{name}.py"
        source.parent.mkdir(exist_ok=True)
        source.write_text("x = 1")
        module = store.bytecode / str(source)[1:]
        module.parent.mkdir(parents=True, exist_ok=True)
        module.with_suffix(".cpython-311.pyc").write_bytes(b"compiled")
    fresh = store.derived(key, {"index.py": b"x = 2"})
    compiled = store.bytecode / str(store.path(fresh))[1:]
    assert [each.name for each in compiled.rglob("*.pyc")] == ["other.cpython-311.pyc"]
    store.prune({key}, limit=0, now=time.time() + 7200)
    assert not compiled.exists()


def test_memory_is_held(plain_bench: Workbench) -> None:
    source = """
import time
def handler(event, context):
    taken = bytes(1) * (event << 20)
    time.sleep(0.5)
    return len(taken)
"""
    function = plain_bench.function(source, memory=128)
    assert function.invoke(32).payload == 32 << 20
    result = function.invoke(300)
    assert (result.error_type, result.error_message) == (
        "Runtime.ExitError",
        f"RequestId: {result.request_id} Error: Runtime exited with error: signal: killed",
    )
    assert not function.invoke(1).failed


def test_the_event_is_limited(plain_bench: Workbench) -> None:
    limit = MAX_EVENT["RequestResponse"]
    function = plain_bench.function("def handler(e, c): return len(e)", memory=1024)
    assert function.invoke("x" * (limit - 2)).payload == limit - 2, "two quotes belong to the payload"
    result = function.invoke("x" * (limit - 1))
    assert result.error_type == "RequestTooLargeException"
    assert (
        result.error_message == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    )


def test_the_response_is_limited(bench: Workbench) -> None:
    function = bench.function("def handler(e, c): return 'x' * e", memory=1024)
    assert not function.invoke(MAX_RESPONSE - 2).failed
    result = function.invoke(MAX_RESPONSE - 1)
    assert result.payload == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    assert not function.invoke(1).failed


def test_a_trace_names_the_file_of_the_project(bench: Workbench) -> None:
    function = bench.function("def handler(e, c):\n    raise ValueError(__file__)", source="functions")
    result = function.invoke(None)
    assert 'File "functions/index.py", line 2' in result.stack_trace[0]
    assert result.error_message == "functions/index.py"
    assert 'File "functions/index.py", line 2' in result.log_tail
    wait_until(lambda: any('File "functions/index.py", line 2' in line for line in bench.lines))
    assert not any(str(bench.folder) in line for line in bench.lines)


def test_a_trace_without_a_source_has_the_path_on_lambda(plain_bench: Workbench) -> None:
    result = plain_bench.function("def handler(e, c):\n    raise ValueError").invoke(None)
    assert 'File "/var/task/index.py", line 2' in result.stack_trace[0]


ENDS = {"exit": "os._exit(1)", "timeout": "time.sleep(60)", "answer": "return child.pid"}


STARTS = {
    "child": "subprocess.Popen(['sleep', '60'])",
    "session": "subprocess.Popen(['sleep', '60'], start_new_session=True)",
    "daemon": "subprocess.run(['/bin/sh', '-c', 'setsid sleep 60 >/dev/null 2>&1 & echo child $!'])",
}
"""Statements of a handler that start a process; the daemon has no parent but the first process."""


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_processes_of_a_handler_end_with_its_sandbox(bench: Workbench, start: str, end: str) -> None:
    if not bench.on_linux and start != STARTS["child"]:
        pytest.skip("other systems have no subreaper")
    source = f"""
import os, subprocess, time
def handler(event, context):
    child = {start}
    if not isinstance(child, subprocess.CompletedProcess):
        print("child", child.pid, flush=True)
    {end.replace("return child.pid", "return 0")}
"""
    function = bench.function(source, timeout=1.0)
    pid = int(function.invoke(None).log_tail.split("child ")[1].split()[0])
    function.close()
    wait_until(lambda: not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    """Return whether a process is running; a zombie is not, which the first process of a container may leave."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


FRAMES = {
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "exit of the client": "return 'x' * (7 << 20)",
}


@pytest.mark.parametrize("source", FRAMES.values(), ids=FRAMES)
def test_a_trace_has_no_frames_of_the_runtime(bench: Workbench, source: str) -> None:
    result = bench.function(f"def handler(e, c):\n    {source}").invoke(None)
    assert result.failed
    for foreign in ("launch.py", "runpy", "awslambdaric", "bootstrap.py"):
        assert foreign not in result.log_tail
    assert len(result.log_tail.splitlines()) < 12
