"""pyproject.toml: every spelling of TOML is read, and each file that is no TOML is an error in every program."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import AtomicTable, DistributedDatabase, sql
from blocks_runtime.errors import ConfigurationError
from blocks_settings import DATABASE, DIALECT, KEYS, MIGRATIONS, PORT, Settings, SettingsError, Source
from blocks_settings.toml_lines import lines_of_keys
from dsql_dialect.profiles import NEWEST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPELLINGS = {
    "table": ('[tool.blocks]\ndatabase = "orders"\nmigrations = "db1"', 2, 3),
    "spaces": ('  [ tool . blocks ] # ours\n\n database="orders"\n\tmigrations = "db1"', 3, 4),
    "quoted table": ('[tool."blocks"]\ndatabase = "orders"\nmigrations = "db1"', 2, 3),
    "quoted parent": ("['tool'.blocks]\n'database' = \"orders\"\n\"migrations\" = 'db1'", 2, 3),
    "escaped": ('[tool."\\u0062locks"]\ndatabase = "orders"\nmigrations = "db1"', 2, 3),
    "escaped letters only": ('[tool."bloc\\u006Bs"]\n"d\\u0061tabase" = "orders"\nmigrations = "db1"', 2, 3),
    "inline table": ('[tool]\nblocks = {database = "orders", migrations = "db1"}', 2, 2),
    "two inline tables": ('# no header\ntool = {blocks = {database = "orders", migrations = "db1"}}', 2, 2),
    "dotted keys": ('tool.blocks.database = "orders"\ntool.blocks.migrations = "db1"', 1, 2),
    "dotted keys in a table": ('[tool]\nblocks.database = "orders"\nother = 1\nblocks.migrations="db1"', 2, 4),
    "Windows": ('[tool.blocks]\r\ndatabase = "orders"\r\nmigrations = "db1"\r\n', 2, 3),
    "several lines": ('[tool.blocks]\ndatabase = """\\\n  orders\\\n"""\nmigrations = "db1"', 2, 5),
    "after look-alikes": (
        "[project]\ntext = '''\n[tool.blocks]\ndatabase = 3\n'''\n[[tool.list]]\ndatabase = [ # ]\n  ']',\n]\n"
        '[tool.blocks]\ndatabase = "orders"\nmigrations = "db1"',
        11,
        12,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "database", "migrations"), SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_is_read_with_its_lines(
    tmp_path: Path, text: str, database: int, migrations: int
) -> None:
    file, below = tmp_path / "pyproject.toml", tmp_path / "functions"
    file.write_bytes(text.encode())
    below.mkdir()
    assert Settings.of(below, {}).project == tmp_path
    found = Settings.of(tmp_path, {}).get(DATABASE)
    assert (found.value, found.place) == ("orders", f"{file}:{database}")
    folder = Settings.of(tmp_path, {}).get(MIGRATIONS)
    assert (folder.value, folder.place) == (tmp_path / "db1", f"{file}:{migrations}")


def test_a_table_of_one_database_in_any_spelling_has_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(
        f'[tool.blocks.databases."my carts"]\ndialect = "{NEWEST.name}"\n'
        "[tool.blocks.databases]\nother = {port = 7000}\n"
    )
    settings = Settings.of(tmp_path, {})
    assert settings.get(DIALECT, "my carts").place == f"{file}:2"
    assert settings.get(PORT, "other").place == f"{file}:4"


OTHERS = {
    "no table": "[project]\nname = 'blocks'\n",
    "look-alike in a text": "[project]\ntext = '''\n[tool.blocks]\ndatabase = 'x'\n'''\n",
    "look-alike in a comment": "# [tool.blocks]\n[tool.blocks-dsql]\n[tool.block.s]\n[[tools.blocks]]\n",
    "tool is a number": "tool = 3 # blocks\n",
    "tool is a list": "[[tool]]\nblocks = 1\n",
    "another program's broken file": "[project\n",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_a_file_without_the_table_has_no_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    settings = Settings.of(tmp_path, {})
    assert settings.file.path is None
    assert {settings.get(key).source for key in KEYS} == {Source.DEFAULT}


GOOD = '[tool.blocks]\ndatabase = "orders"\n'
NO_TOML = {
    "header without an end": (b"[tool.blocks\ndatabase = 'orders'\n", "at line 1", "correct the file"),
    "value is missing": (b"[tool.blocks]\ndatabase =\n", "at line 2", "correct the file"),
    "elsewhere": (GOOD.encode() + b"[project]\nname = orders\n", "at line 4", "correct the file"),
    "key twice": (GOOD.encode() + b"database = 'carts'\n", "at line 3", "correct the file"),
    "text without an end": (GOOD.encode() + b"stack = '''x\n", "at end of document", "correct the file"),
    "byte order mark": (GOOD.encode("utf-8-sig"), "at line 1", "without a byte order mark"),
    "UTF-16": (GOOD.encode("utf-16"), "at line 1", "save the file as UTF-8"),
    "another encoding": (GOOD.encode() + b"stack = 'caf\xe9'\n", "at line 3", "save the file as UTF-8"),
}


@pytest.fixture(params=NO_TOML.values(), ids=[*NO_TOML])
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str, str]:
    """Project with a file that is no TOML, the line in the parser's words, and the remedy."""
    content, line, remedy = request.param
    (tmp_path / "pyproject.toml").write_bytes(content)
    return tmp_path, line, remedy


def test_no_toml_is_refused_with_file_line_and_words(broken: tuple[Path, str, str]) -> None:
    folder, line, remedy = broken
    with pytest.raises(SettingsError) as caught:
        Settings.of(folder, {})
    assert caught.value.what.startswith(f"{folder / 'pyproject.toml'}: not valid TOML")
    assert line in caught.value.why
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "use",
    [
        lambda: DistributedDatabase("main").query(sql("SELECT 1")),
        lambda: AtomicTable("main").get(("a", "b")),
    ],
    ids=["DistributedDatabase", "AtomicTable"],
)
def test_no_toml_is_an_error_of_the_runtime(
    broken: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch, use: Callable[[], object]
) -> None:
    folder, line, _ = broken
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigurationError) as caught:
        use()
    assert f"{folder / 'pyproject.toml'}: not valid TOML" in str(caught.value)
    assert line in str(caught.value)
    assert not (folder / ".blocks").exists(), "no database was made in a folder that is guessed"


COMMANDS = {
    "up": ("blocks_cli.main", ("up",)),
    "config": ("blocks_cli.main", ("config",)),
    "lint": ("blocks_cli.main", ("lint",)),
    "dev": ("blocks_cli.main", ("dev",)),
    "local-dsql": ("local_dsql.cli", ("status",)),
}


@pytest.mark.parametrize(("module", "arguments"), COMMANDS.values(), ids=COMMANDS)
def test_no_toml_is_an_error_of_each_command(tmp_path: Path, module: str, arguments: tuple[str, ...]) -> None:
    content, line, _ = NO_TOML["header without an end"]
    (tmp_path / "pyproject.toml").write_bytes(content)
    run = f"from {module} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert "pyproject.toml: not valid TOML" in done.stderr
    assert line in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
    assert {each.name for each in tmp_path.iterdir()} == {"pyproject.toml"}


def test_no_toml_is_an_error_of_the_pytest_plugin(tmp_path: Path) -> None:
    content, line, _ = NO_TOML["header without an end"]
    (tmp_path / "pyproject.toml").write_bytes(content)
    (below := tmp_path / "below").mkdir()
    (below / "pytest.ini").write_text("[pytest]\n")  # pytest itself reads no other file
    (below / "test_a.py").write_text("def test_a(dsql): pass")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=below, capture_output=True, text=True, timeout=30)
    assert "SettingsError: " in done.stdout
    assert "pyproject.toml: not valid TOML" in done.stdout
    assert line in done.stdout
    assert "1 error" in done.stdout


def test_each_key_of_a_file_has_the_line_where_it_is(pytestconfig: pytest.Config) -> None:
    text = (pytestconfig.rootpath / "pyproject.toml").read_text("utf-8")
    lines = text.splitlines()
    found = lines_of_keys(text)
    assert len(found) > 50
    for path, line in found.items():
        value: object = tomllib.loads(text)
        for name in path:
            assert isinstance(value, dict)
            value = value[name]
        assert path[-1] in lines[line - 1]
