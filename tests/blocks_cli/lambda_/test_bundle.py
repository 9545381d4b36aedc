"""Import path of a function: bundle, layers, runtime, and no package of this machine."""

from __future__ import annotations

import importlib.machinery
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blocks_cli.assembly.asset import Asset
from blocks_cli.errors import CommandError
from blocks_cli.lambda_ import interpreter, packages
from blocks_cli.lambda_.code_store import CodeStore
from blocks_cli.lambda_.launch import TEMPORARY
from blocks_cli.lambda_.runtime import prepare

if TYPE_CHECKING:
    from tests.support.lambda_functions import Workbench

PROBE = """
import importlib
def handler(names, context):
    return {name: getattr(importlib.import_module(name), "origin", "?") for name in names}
"""


def layer(store: CodeStore, folder: Path, key: str, **modules: str) -> Path:
    """Store a layer whose modules return their origin."""
    source = folder / key
    (source / "python").mkdir(parents=True)
    for name, origin in modules.items():
        (source / "python" / f"{name}.py").write_text(f"origin = {origin!r}\n")
    return store.path(store.asset(Asset(key, source, "zip")))


def test_later_layers_cover_earlier_ones_and_the_bundle_covers_all(
    plain_bench: Workbench, tmp_path: Path
) -> None:
    first = layer(plain_bench.store, tmp_path, "first", both="first", only_first="first", index="first")
    second = layer(plain_bench.store, tmp_path, "second", both="second")
    function = plain_bench.function(PROBE, layers=(first, second))
    assert function.invoke(["both", "only_first"]).payload == {"both": "second", "only_first": "first"}


@pytest.mark.parametrize("name", ["click", "pytest", "aws_cdk", "blocks_cli"])
def test_installed_packages_are_not_importable(plain_bench: Workbench, name: str) -> None:
    result = plain_bench.function(PROBE).invoke([name])
    assert result.error_type == "ModuleNotFoundError"


def test_boto3_is_importable_as_on_lambda(plain_bench: Workbench) -> None:
    assert not plain_bench.function(PROBE).invoke(["boto3"]).failed


@pytest.mark.parametrize(("name", "file"), [("extra_a", "extra_a/__init__.py"), ("extra_b", "extra_b.py")])
def test_packages_installed_below_tmp_are_importable(
    plain_bench: Workbench, monkeypatch: pytest.MonkeyPatch, name: str, file: str
) -> None:
    """A virtual environment may be below `/tmp`, which is empty for a function, as in Lambda."""
    with tempfile.TemporaryDirectory(dir=TEMPORARY) as environment:
        described = Path(environment, f"{name}-1.dist-info")
        described.mkdir()
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (described / "RECORD").write_text(f"{file},,\n")
        Path(environment, file).parent.mkdir(exist_ok=True)
        Path(environment, file).write_text("origin = 'installed'\n")
        monkeypatch.syspath_prepend(environment)
        monkeypatch.setattr(packages, "RUNTIME_DISTRIBUTIONS", (*packages.RUNTIME_DISTRIBUTIONS, name))
        assert plain_bench.function(PROBE).invoke([name]).payload == {name: "installed"}


def test_another_language_is_refused(plain_bench: Workbench) -> None:
    function = plain_bench.configuration("", runtime="nodejs24.x")
    with pytest.raises(CommandError, match=r"runtime nodejs24\.x does not run locally"):
        prepare(function, plain_bench.store, plain_bench.folder / "links")


def extension(folder: Path, package: str, tag: str) -> None:
    (folder / package).mkdir(parents=True, exist_ok=True)
    (folder / package / f"_core.{tag}.so").touch()


def test_only_extensions_for_another_python_are_unloadable(tmp_path: Path) -> None:
    own = importlib.machinery.EXTENSION_SUFFIXES[0].strip(".").removesuffix(".so")
    extension(tmp_path, "own", own)
    extension(tmp_path, "stable", "abi3")
    extension(tmp_path, "older", "cpython-27-x86_64-linux-gnu")
    extension(tmp_path, "elsewhere/deep", own.replace("x86_64", "s390x").replace("aarch64", "s390x"))
    assert packages.unloadable([tmp_path], interpreter.current()) == {"older", "elsewhere"}


def test_a_driver_for_another_python_is_replaced_by_the_installed_one(
    plain_bench: Workbench, tmp_path: Path
) -> None:
    """The bundle's psycopg cannot be loaded: its binary is for another platform."""
    source = tmp_path / "driver"
    extension(source / "python", "psycopg_binary", "cpython-27-x86_64-linux-gnu")
    (source / "python" / "psycopg_binary" / "__init__.py").write_text("raise ImportError('the bundle')")
    driver = plain_bench.store.path(plain_bench.store.asset(Asset("driver", source, "zip")))
    handler = "import psycopg\ndef handler(e, c): return psycopg.pq.__impl__"
    function = plain_bench.function(handler, layers=(driver,))
    assert function.invoke(None).payload == "binary"
    assert any("instead of the bundle's" in note and "psycopg" in note for note in function.notes)


def test_a_zip_asset_is_unpacked_and_a_damaged_one_refused(tmp_path: Path) -> None:
    store = CodeStore(tmp_path / "store")
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("index.py", "x = 1")
    assert (store.path(store.asset(Asset("good", archive, "file"))) / "index.py").read_text() == "x = 1"
    archive.write_bytes(b"not a zip")
    with pytest.raises(CommandError, match="cannot be unpacked"):
        store.asset(Asset("bad", archive, "file"))
    assert not store.path("bad").exists(), "an entry appears whole or not at all"


def test_another_python_version_runs_under_its_own_interpreter_or_has_a_note(plain_bench: Workbench) -> None:
    """With or without such an interpreter on this machine, the function runs, and a difference is noted."""
    wanted = next(v for v in ((3, 13), (3, 12)) if v != interpreter.current().version)
    function = plain_bench.function(
        "import sys\ndef handler(e, c): return list(sys.version_info[:2])",
        runtime=f"python{wanted[0]}.{wanted[1]}",
    )
    ran = function.invoke(None).payload
    told = any("instead of" in note for note in function.notes)
    assert (ran == list(wanted)) != told


def test_a_broken_shim_is_not_an_interpreter(tmp_path: Path) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\necho 'version not selected' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert interpreter.inspect(shim) is None
    assert interpreter.inspect(tmp_path / "absent") is None
    assert interpreter.inspect(interpreter.current().executable) == interpreter.current()
