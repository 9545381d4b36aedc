"""The bundles themselves: what is in them, how large they are, and that every Python at hand can run them."""

from __future__ import annotations

import importlib.util
import io
import json
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from blocks import bundling
from blocks.bundling import Target

TARGET = Target("3.13", "x86_64")
MEBIBYTE = 1024 * 1024
pythons = pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])


def interpreter(python: str) -> str:
    """Return an interpreter of that version for this machine, or skip where there is none."""
    if sys.version_info[:2] == tuple(map(int, python.split("."))):
        return sys.executable
    on_path = shutil.which(f"python{python}")
    of_pyenv = Path.home().glob(f".pyenv/versions/{python}.*/bin/python")
    for candidate in [*([on_path] if on_path else []), *map(str, of_pyenv)]:
        # A shim may be there for a version that is not.
        if subprocess.run([candidate, "--version"], capture_output=True, check=False).returncode == 0:
            return candidate
    pytest.skip(f"no Python {python} at hand")


def run(executable: str, path: Path, code: str) -> str:
    """Run `code` with nothing on the path but the bundle, as Lambda does."""
    ran = subprocess.run(
        [executable, "-S", "-s", "-B", "-c", code],
        env={"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="Lambda's wheels are for Linux")
@pythons
def test_the_driver_loads_from_the_layer_alone(python: str) -> None:
    executable = interpreter(python)
    layer = bundling.runtime_layer(Target(python, platform.machine())).path
    code = "import psycopg; print(psycopg.__version__, psycopg.pq.__impl__, psycopg.__file__)"
    version, implementation, file = run(executable, layer / "python", code).split()
    assert (version, implementation) == ("3.3.9", "binary")
    assert Path(file).is_relative_to(layer)


@pythons
def test_the_runtime_loads_from_the_layer_alone(python: str) -> None:
    executable = interpreter(python)
    layer = bundling.runtime_layer(Target(python, platform.machine())).path
    prefix = run(
        executable, layer / "python", "import blocks_runtime.contract as c; print(c.variable_prefix('main'))"
    )
    assert prefix == "BLOCKS_MAIN"


@pytest.mark.skipif(sys.platform != "linux", reason="the runtime client is for Linux")
def test_the_runtime_client_has_all_it_imports() -> None:
    folder = bundling.runtime_client(
        Target(f"{sys.version_info.major}.{sys.version_info.minor}", platform.machine())
    )
    code = "import awslambdaric.bootstrap, runtime_client; print(awslambdaric.__file__)"
    assert Path(run(sys.executable, folder, code)).is_relative_to(folder)


def test_a_layer_has_packages_versions_and_licences_only() -> None:
    tree = bundling.runtime_layer(TARGET).path
    names = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    assert {name.split("/")[0] for name in names} == {"python"}
    assert {name.split("/")[1] for name in names} == {
        "blocks_runtime",
        "psycopg",
        "psycopg-3.3.9.dist-info",
        "psycopg_binary",
        "psycopg_binary-3.3.9.dist-info",
        "psycopg_binary.libs",
    }
    assert not [name for name in names if name.endswith((".pyc", ".pyi", "RECORD"))]
    assert [name for name in names if "licenses/" in name and "psycopg-" in name]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_layer_is_small(machine: str) -> None:
    tree = bundling.runtime_layer(Target("3.13", machine)).path
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for path in tree.rglob("*"):
            writer.write(path, path.relative_to(tree))
    assert len(archive.getvalue()) < 6 * MEBIBYTE


def test_the_migrator_is_its_package_beside_the_manifest() -> None:
    manifest = {"format": 1, "dialect": "portable", "migrations": []}
    tree = bundling.migrator(json.dumps(manifest)).path
    assert {path.name for path in tree.iterdir()} == {
        "lambda_migrator",
        "custom_resource",
        "migration_manifest",
        "manifest.json",
    }
    assert json.loads((tree / "manifest.json").read_text(encoding="utf-8")) == manifest
    spec = importlib.util.find_spec("lambda_migrator")
    assert spec is not None
    assert spec.origin is not None
    ours = {path.relative_to(Path(spec.origin).parent) for path in Path(spec.origin).parent.rglob("*.py")}
    package = tree / "lambda_migrator"
    assert {path.relative_to(package) for path in package.rglob("*.py")} == ours


def test_the_code_digest_follows_the_target_and_not_the_manifest() -> None:
    assert bundling.migrator("{}").digest != bundling.migrator("[]").digest
    digests = {bundling.migrator_code_digest(target) for target in bundling.every_target()}
    assert len(digests) == len(bundling.every_target())
