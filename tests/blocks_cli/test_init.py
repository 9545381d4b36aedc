"""`blocks init`: a project that works as it is."""

from __future__ import annotations

import ast
import builtins
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from blocks_cli.exit_codes import ExitCode
from blocks_cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
FILES = {
    *("README.md", ".gitignore", "app.py", "cdk.json", "pyproject.toml"),
    *("functions/orders.py", "migrations/001_create_orders.sql", "tests/conftest.py", "tests/test_orders.py"),
}


def init(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["init", *arguments])
    out, err = capfd.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


def _files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_new_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = init(capfd, "my-shop")
    assert code == ExitCode.OK
    assert _files(tmp_path / "my-shop") == FILES
    assert set(out.split()) == {f"my-shop/{name}" for name in FILES}
    assert "cd my-shop && blocks dev" in err
    assert 'MyShopStack(app, "MyShop")' in (tmp_path / "my-shop/app.py").read_text()
    assert not any("{stack}" in file.read_text() for file in tmp_path.rglob("*.*") if file.is_file())


def test_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    assert "next     blocks dev" in init(capfd)[2]
    assert _files(tmp_path / "shop") == FILES


def test_no_file_is_overwritten(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/app.py").write_text("mine")
    code, _, err = init(capfd, "shop")
    assert code == ExitCode.USAGE
    assert "shop/app.py: exists already" in err
    assert _files(tmp_path) == {"shop/app.py"}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1shop",
        "shöp",
        "a b",
        "..",
        "a/b c",
        "/",
        "shop-",
        "shop_",
        "-shop",
        "pytest",
        "Blocks_DSQL",
        "psycopg",
        "Click",
        "constructs",
        "psycopg_binary",
        "jsii",
        "pluggy",
        "x" * 129,
    ],
)
def test_a_name_that_no_stack_can_have(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    assert init(capfd, name)[0] == ExitCode.USAGE
    assert not _files(tmp_path)


NAMES = [
    *("none", "true", "false", "class", "async", "print", "exception", "type", "str", "cdk", "lambda_x"),
    *(
        "distributed-database",
        "construct",
        "stack",
        "app",
        "blocks",
        "aws-cdk",
        "nested-stack",
        "x" * 128,
        "a-1",
        "A",
    ),
]
"""Words of Python, builtins, names that the template imports, and the longest name."""


@pytest.mark.parametrize("name", NAMES)
def test_a_name_whose_app_can_run(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    """The class of the stack hides no other name of the app, and the files are valid."""
    assert init(capfd, "--name", name)[0] == ExitCode.OK
    for file in tmp_path.rglob("*.py"):
        compile(file.read_text(), file, "exec")
    tree = ast.parse((tmp_path / "app.py").read_text())
    (own,) = (each.name for each in tree.body if isinstance(each, ast.ClassDef))
    imported = {
        alias.asname or alias.name
        for each in tree.body
        if isinstance(each, ast.Import | ast.ImportFrom)
        for alias in each.names
    }
    assert own not in imported | {*dir(builtins)}
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    assert re.fullmatch(r"[a-z0-9]|[a-z0-9][a-z0-9._-]*[a-z0-9]", project["name"])
    (stack,) = re.findall(rf'{own}\(app, "(.*)"\)', (tmp_path / "app.py").read_text())
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", stack)


@pytest.mark.parametrize("folder", ["Praxis Müller", "2026", "店"])
def test_a_folder_whose_name_no_stack_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], folder: str
) -> None:
    """The remedy of the error initializes this folder, and makes no other one."""
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / folder)
    code, _, err = init(capfd)
    assert (code, f"{folder}: cannot be the name of a project" in err) == (ExitCode.USAGE, True)
    assert "  do:  give the project another name than its folder: `blocks init --name NAME`" in err
    assert init(capfd, "--name", "ü")[0] == ExitCode.USAGE
    assert init(capfd, "--name", "")[0] == ExitCode.USAGE
    assert init(capfd, "--name", "praxis")[0] == ExitCode.OK
    assert _files(tmp_path / folder) == FILES
    assert 'PraxisStack(app, "Praxis")' in Path("app.py").read_text()


def test_a_new_folder_with_another_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert init(capfd, "Praxis Müller", "--name", "praxis")[0] == ExitCode.OK
    assert _files(tmp_path / "Praxis Müller") == FILES


def test_the_commands_in_its_texts_exist(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    init(capfd, "shop")
    words = (tmp_path / "shop/README.md").read_text().split("`blocks ")[1:]
    assert {word.split("`")[0].split()[0] for word in words} <= {*COMMANDS}


@pytest.mark.slow
def test_the_project_works_as_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It passes its own tests, is synthesized and deployed, and its function responds."""
    init(capfd, "shop")
    folder = tmp_path / "shop"

    def run(*command: str) -> str:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "7 passed" in run(sys.executable, "-m", "pytest", "-q")
    blocks = (sys.executable, "-m", "blocks_cli.main")
    assert "Shop.Url = http://127.0.0.1:" in run(*blocks, "deploy", "--local")
    event = {"requestContext": {"http": {"method": "POST"}}, "body": '{"item": "tea"}'}
    assert json.loads(run(*blocks, "invoke", "Orders", "--event", json.dumps(event)))["statusCode"] == 201
    assert '\\"item\\": \\"tea\\"' in run(*blocks, "invoke", "Orders")
    run(*blocks, "destroy", "--local", "--purge")


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(8))
def test_the_first_run_of_two_workers_waits_for_no_timeout(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], attempt: int
) -> None:
    """One first run of many was once seen to take a minute, as long as a login may take, with 2 s of work."""
    init(capfd, "shop")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2"]
    done = subprocess.run(command, cwd=tmp_path / "shop", capture_output=True, text=True, timeout=45)
    assert "7 passed" in done.stdout, done.stdout + done.stderr


def test_a_folder_with_a_part_that_does_not_exist(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = init(capfd, "shops/old/../tea")
    assert code == ExitCode.OK
    assert "shops/tea/app.py" in out.splitlines()
    assert [each.name for each in (tmp_path / "shops").iterdir()] == ["tea"]
