"""The settings of a project: sources, precedence, places, contradictions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from blocks_settings import (
    DATABASE,
    DIALECT,
    KEYS,
    MIGRATIONS,
    PORT,
    REGIONS,
    Settings,
    SettingsError,
    Source,
)
from blocks_settings.regions import DEFAULT_REGION, known
from dsql_dialect.profiles import DEFAULT, NAMES, NEWEST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def project(root: Path, text: str = "", dialect: str = "") -> Path:
    """Write a pyproject.toml, and the record of a deployed stack if a dialect is given."""
    (root / "pyproject.toml").write_text(text, "utf-8")
    if dialect:
        (root / ".blocks" / "stacks").mkdir(parents=True)
        (root / ".blocks" / "stacks" / "Shop.json").write_text(json.dumps(state(dialect)), "utf-8")
    return root


def state(dialect: str, database: str = "main") -> Mapping[str, object]:
    """Return the record of a stack with one database."""
    cluster = {
        "type": "AWS::DSQL::Cluster",
        "path": f"Shop/{database}",
        "logical_id": database,
        "properties": {"blocks:dialect": dialect, "blocks:migrations": "app/sql"},
        "local": {"folder": database, "region": "eu-west-1"},
    }
    return {"format": 1, "stack": {"name": "Shop", "resources": {database: cluster}}}


FILE = f'[tool.blocks]\nmigrations = "db"\ndialect = "{NEWEST.name}"\nregions = ["eu-west-1", "eu-west-2"]\n'


def test_the_first_source_that_has_a_value_is_used(tmp_path: Path) -> None:
    project(tmp_path, FILE, DEFAULT.name)
    variables = {"BLOCKS_DIALECT": DEFAULT.name}
    by_argument = Settings.of(tmp_path, variables).get(DIALECT, argument=NEWEST.name)
    assert (by_argument.value, by_argument.source, by_argument.place) == (
        NEWEST.name,
        Source.ARGUMENT,
        "--dialect",
    )
    by_variable = Settings.of(tmp_path, variables).get(DIALECT)
    assert (by_variable.value, by_variable.place) == (DEFAULT.name, "BLOCKS_DIALECT")
    by_file = Settings.of(tmp_path, {}).get(DIALECT)
    assert (by_file.value, by_file.place) == (NEWEST.name, f"{tmp_path / 'pyproject.toml'}:3")
    (tmp_path / "pyproject.toml").write_text("")
    by_app = Settings.of(tmp_path, {}).get(DIALECT)
    assert (by_app.value, by_app.source, by_app.place) == (DEFAULT.name, Source.APP, "deployed stack Shop")
    (tmp_path / ".blocks" / "stacks" / "Shop.json").unlink()
    assert Settings.of(tmp_path, {}).get(DIALECT).source is Source.DEFAULT


def test_the_deployed_app_gives_folder_and_regions_and_database(tmp_path: Path) -> None:
    settings = Settings.of(project(tmp_path, dialect=NEWEST.name), {})
    assert settings.get(MIGRATIONS).value == tmp_path / "app" / "sql"
    assert settings.get(REGIONS).value == ("eu-west-1",)
    (tmp_path / ".blocks" / "stacks" / "Shop.json").write_text(json.dumps(state(NEWEST.name, "orders")))
    assert Settings.of(tmp_path, {}).database == "orders"
    assert Settings.of(tmp_path, {}).database_folder == tmp_path / ".blocks" / "local" / "orders"


def test_the_synthesized_app_gives_what_is_not_deployed(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / ".blocks" / "cdk.out").mkdir(parents=True)
    entry = {"type": "blocks:database", "data": {"dialect": NEWEST.name, "migrations": "sql"}}
    stack = {"properties": {}, "metadata": {"/Shop/main": [entry]}}
    (tmp_path / ".blocks" / "cdk.out" / "manifest.json").write_text(
        json.dumps({"artifacts": {"Shop": stack}})
    )
    found = Settings.of(tmp_path, {}).get(DIALECT)
    assert (found.value, found.place) == (NEWEST.name, "synthesized stack Shop")


def test_a_sub_folder_has_the_settings_of_the_project(tmp_path: Path) -> None:
    project(tmp_path, FILE)
    below = tmp_path / "functions" / "orders"
    below.mkdir(parents=True)
    settings = Settings.of(below, {})
    assert (settings.project, settings.get(MIGRATIONS).value) == (tmp_path, tmp_path / "db")


def test_a_database_with_a_table_of_its_own_differs(tmp_path: Path) -> None:
    own = f'port = 6432\n[tool.blocks.databases.my-carts]\ndialect = "{DEFAULT.name}"\n'
    settings = Settings.of(project(tmp_path, FILE + own), {})
    assert settings.get(DIALECT, "my_carts").value == DEFAULT.name, "ids count as their variables spell them"
    assert settings.get(DIALECT, "other").value == NEWEST.name
    assert settings.get(PORT, "main").value == 6432
    assert settings.get(PORT, "other").value is None, "one port cannot be that of two databases"
    assert settings.get(MIGRATIONS, "other").source is Source.DEFAULT


WRONG = {
    "unknown": ("[tool.blocks]\nmigration = 'x'", "unknown setting migration", "did you mean migrations?"),
    "unknown in a database": (
        "[tool.blocks.databases.a]\ndatabase = 'x'",
        "unknown setting database",
        "remove",
    ),
    "dialect": ("[tool.blocks]\ndialect = 'portabel'", "invalid dialect", f"did you mean {DEFAULT.name}?"),
    "dialect of another type": ("[tool.blocks]\ndialect = 2026", "invalid dialect", "write it in quotes"),
    "Region": ("[tool.blocks]\nregions = ['eu-west1']", "invalid regions", "did you mean eu-west-1?"),
    "a Region twice": (
        "[tool.blocks]\nregions = ['us-east-1', 'us-east-2', 'us-east-1']",
        "invalid regions",
        "name each Region once",
    ),
    "no Regions": ("[tool.blocks]\nregions = []", "invalid regions", "write it like"),
    "port": ("[tool.blocks]\nport = 70000", "invalid port", "a number from 1"),
    "port of another type": ("[tool.blocks]\nport = true", "invalid port", "a number from 1"),
    "database": ("[tool.blocks]\ndatabase = '../etc'", "invalid database", "correct the line"),
    "database without letters": ("[tool.blocks]\ndatabase = '--'", "invalid database", "such as 'main'"),
    "no table": ("[tool.blocks]\ndatabases = 3", "databases is not a table", "[tool.blocks.databases.NAME]"),
}


@pytest.mark.parametrize(("text", "what", "remedy"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, what: str, remedy: str) -> None:
    project(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        settings = Settings.of(tmp_path, {})
        [settings.get(key) for key in KEYS]
    assert str(tmp_path / "pyproject.toml") in caught.value.what
    assert what in caught.value.what
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BLOCKS_DIALECT", "2026"),
        ("BLOCKS_REGIONS", "mars-1"),
        ("BLOCKS_REGIONS", "us-east-1,us-east-1"),
        ("BLOCKS_PORT", "x"),
        ("BLOCKS_DATABASE", "a/b"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: invalid"):
        Settings.of(tmp_path, {variable: value}).all()


def test_a_damaged_record_of_the_app_is_refused(tmp_path: Path) -> None:
    project(tmp_path, dialect=NEWEST.name)
    (tmp_path / ".blocks" / "stacks" / "Shop.json").write_text("garbage")
    with pytest.raises(SettingsError, match=r"Shop\.json: the state file is damaged"):
        Settings.of(tmp_path, {})


def test_file_and_app_that_differ_are_told_with_both_places(tmp_path: Path) -> None:
    project(tmp_path, f'[tool.blocks]\ndialect = "{DEFAULT.name}"\n', NEWEST.name)
    (told,) = Settings.of(tmp_path, {}).contradictions()
    assert told == (
        f"dialect is {DEFAULT.name} ({tmp_path / 'pyproject.toml'}:2), "
        f"but the app has {NEWEST.name} (deployed stack Shop)"
    )
    assert not Settings.of(tmp_path, {"BLOCKS_DIALECT": NEWEST.name}).contradictions()


def test_without_any_source_there_are_defaults(tmp_path: Path) -> None:
    found = Settings.of(tmp_path, {}).all()
    assert {each.source for each in found.values()} == {Source.DEFAULT}
    assert found[DATABASE.name].value == "main"
    assert found[REGIONS.name].value == (DEFAULT_REGION,)
    assert found[DIALECT.name].value == DEFAULT.name in NAMES
    assert DEFAULT_REGION in known()
    assert not [*tmp_path.iterdir()], "reading the settings creates nothing"
