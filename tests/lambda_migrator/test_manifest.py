"""Reading the manifest, and the errors for an invalid one."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from dsql_dialect.migrations import compile_folder
from lambda_migrator.errors import MigrationFailedError
from lambda_migrator.manifest import load, read
from migration_manifest import Manifest, Migration, Statement, StatementDirective

if TYPE_CHECKING:
    from pathlib import Path

GOOD: dict[str, Any] = {
    "format": 1,
    "dialect": "portable",
    "migrations": [
        {
            "version": 7,
            "name": "007_x",
            "checksum": "abc",
            "kind": "ddl",
            "statements": [
                {"sql": "CREATE x", "kind": "ddl", "line": 2, "column": 3, "batch": False, "probe": None}
            ],
        }
    ],
}  # fmt: skip


def test_read() -> None:
    only = Statement("CREATE x", "ddl", 2, 3, directive=None, probe=None, repeatable=False)
    assert read(GOOD) == Manifest("portable", (Migration(7, "007_x", "abc", (only,)),))
    assert read(GOOD).migrations[0].place(0) == "007_x.sql:2:3"


def test_reads_the_compiled_manifest(tmp_path: Path) -> None:
    """Both ends of the wire format, the compiler's and the migrator's."""
    (tmp_path / "001_t.sql").write_text("CREATE TABLE t (id int PRIMARY KEY);\n")
    (tmp_path / "002_rows.sql").write_text("INSERT INTO t VALUES (1);\n-- blocks: batch\nDELETE FROM t;\n")
    (tmp_path / "003_i.sql").write_text("\nCREATE INDEX ASYNC t_id ON t (id);\n")
    compiled = compile_folder(tmp_path)
    (tmp_path / "manifest.json").write_bytes(compiled.canonical_json())
    manifest = load(tmp_path / "manifest.json")
    assert [each.name for each in manifest.migrations] == ["001_t", "002_rows", "003_i"]
    assert [each.checksum for each in manifest.migrations] == [each.checksum for each in compiled.migrations]
    assert [s.directive for s in manifest.migrations[1].statements] == [None, StatementDirective.BATCH]
    index = manifest.migrations[2].statements[0]
    assert (index.kind, index.line, dict(index.probe or {})["name"]) == ("index", 2, "t_id")


def broken(*path: str | int, value: object = ...) -> dict[str, Any]:
    """Return GOOD with the item at `path` replaced, or removed."""
    document = copy.deepcopy(GOOD)
    target: Any = document
    for key in path[:-1]:
        target = target[key]
    if value is ...:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return document


FAULTS = {
    "another format": (broken("format", value=2), "format 2.*reads format 1"),
    "no format": (broken("format"), "KeyError: 'format'"),
    "migrations not a list": (broken("migrations", value={}), "not a list"),
    "no statements": (broken("migrations", 0, "statements", value=[]), "007_x has no statements"),
    "no checksum": (broken("migrations", 0, "checksum"), "checksum"),
    "version not a number": (broken("migrations", 0, "version", value="7"), "'7' is not a number"),
    "line not a number": (
        broken("migrations", 0, "statements", 0, "line", value=True),
        "True is not a number",
    ),
    "probe not an object": (
        broken("migrations", 0, "statements", 0, "probe", value="t"),
        "probe is not an object",
    ),
}


@pytest.mark.parametrize(("document", "says"), FAULTS.values(), ids=FAULTS)
def test_invalid_documents(document: dict[str, Any], says: str, tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(document))
    with pytest.raises(MigrationFailedError, match=f"(?s){says}"):
        load(file)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_not_a_manifest(text: str, tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(text)
    with pytest.raises(MigrationFailedError, match=r"manifest\.json of the migrations cannot be read"):
        load(file)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MigrationFailedError, match="FileNotFoundError"):
        load(tmp_path / "manifest.json")
