"""`blocks logs`, and the log file behind it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from blocks_cli.deploy_report import ConsoleReport
from blocks_cli.exit_codes import ExitCode
from blocks_cli.lambda_ import log_file
from blocks_cli.lambda_.log_file import LogFile
from blocks_cli.local import LocalDeployment
from blocks_cli.main import main
from tests.support.dev_project import DevProject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blocks_cli.lambda_.log_file import LogLine

SOURCE = "def handler(event, context):\n    print('grüße', event)\n    return 'tschüß' if event else 1 / 0\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DevProject:
    """A deployed project with two functions that have printed a line each."""
    made = DevProject(tmp_path, {"Orders": "index.handler", "Items": "index.handler"})
    made.write("functions/index.py", SOURCE)
    made.write("cdk.json", "{}")
    with LocalDeployment.deploy(made.synthesize(), tmp_path) as deployment:
        deployment.invoke("Orders", 1)
        deployment.invoke("Items", 2)
    monkeypatch.chdir(tmp_path)
    return made


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    out, err = capfd.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


@pytest.mark.usefixtures("project")
def test_logs(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "logs")
    assert code == ExitCode.OK
    assert [line.partition(" ")[2] for line in out.splitlines()] == ["[Orders] grüße 1", "[Items] grüße 2"]
    assert "Orders" not in run(capfd, "logs", "Items")[1]
    assert len(run(capfd, "logs", "--lines", "1")[1].splitlines()) == 1
    row = json.loads(run(capfd, "logs", "S/Orders", "--json")[1])
    assert (row["function"], row["line"]) == ("S/Orders", "grüße 1")
    code, _, err = run(capfd, "logs", "Order")
    assert code == ExitCode.USAGE
    assert "did you mean S/Orders?" in err


def test_logs_without_a_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cdk.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert "no output yet" in run(capfd, "logs")[2]
    assert "nothing is deployed" in run(capfd, "logs", "Orders")[2]
    assert not (tmp_path / ".blocks").exists(), "a reading command creates nothing"


@pytest.mark.usefixtures("project")
def test_follow_prints_new_lines_of_another_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "blocks_cli.main", "logs", "--follow", "--lines", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        log, found = LogFile(tmp_path / ".blocks/logs"), threading.Event()

        def write() -> None:
            while not found.wait(0.2):
                log.write("S/Orders", "later")

        writer = threading.Thread(target=write)
        writer.start()
        assert following.stdout.readline().endswith("[Orders] later\n")
        found.set()
        writer.join()
        log.close()
        following.terminate()


@pytest.mark.usefixtures("project")
def test_invoke_prints_utf8_and_a_trace_once(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "invoke", "Orders", "--event", "1")[1] == '"tschüß"\n'
    code, out, err = run(capfd, "invoke", "Orders", "--event", "0")
    assert code == ExitCode.INVOCATION_FAILED
    assert (out + err).count("1 / 0") == 1, "the line of the handler is in the trace of the log only"
    assert json.loads(out)["errorType"] == "ZeroDivisionError"
    assert "functions/index.py" in err
    summary = json.loads(run(capfd, "invoke", "Orders", "--event", "0", "--json")[1])
    assert "1 / 0" in summary["payload"]["stackTrace"][0], "--json has the whole payload"


def _texts(lines: Iterator[LogLine] | list[LogLine]) -> list[str]:
    return [line.text for line in lines]


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MAX_BYTES", 1000)
    one, other = LogFile(tmp_path), LogFile(tmp_path)
    for number in range(200):
        (one, other)[number % 2].write("F", str(number))
    kept = _texts(one.read())
    assert kept[-1] == "199"
    assert kept == [str(number) for number in range(200 - len(kept), 200)], (
        "no line is lost between the files"
    )
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2500
    one.close()
    other.close()


def test_a_damaged_line_is_left_out(tmp_path: Path) -> None:
    log = LogFile(tmp_path)
    log.write("F", "first")
    log.close()
    with (tmp_path / "functions.jsonl").open("a") as file:
        file.write('[1, "F", "cut\n[2]\n')
    log.write("F", "last")
    log.close()
    assert _texts(log.read()) == ["first", "last"]


def test_a_log_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder would be")
    log = LogFile(tmp_path / "logs")
    log.write("F", "line")
    assert log.read() == []


def test_a_failed_invocation_has_the_notes_of_its_function_only(capfd: pytest.CaptureFixture[str]) -> None:
    report = ConsoleReport()
    for path in ("S/Orders", "S/Items"):
        report.differs(path, "runs under another Python")
    report.differs("S/Items", "runs without a layer")
    report.conclude("S/Orders")
    assert capfd.readouterr().err == "note     S/Orders: runs under another Python\n"
