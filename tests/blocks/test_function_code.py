"""`function_code`: packages beside the handler, installed by pip from wheels without Docker."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_

from blocks import ConstructError, function_code
from blocks.bundling import BundlingError, Target
from blocks.bundling.requirements import installed_requirements
from blocks_settings.cache_folder import VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

X86 = Target("3.13", "x86_64")


def wheel(folder: Path, name: str, version: str, tag: str, requires: str = "") -> None:
    """Write a wheel with one module."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    if requires:
        metadata += f"Requires-Dist: {requires}\n"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"TAG = {tag!r}\n")
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of wheels without network, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel(folder, "pure", "1.0", "py3-none-any", "native>=2")
    wheel(folder, "native", "2.0", "cp313-cp313-manylinux_2_17_x86_64")
    wheel(folder, "native", "2.1", "cp313-cp313-manylinux2014_aarch64")
    wheel(folder, "native", "3.0", "cp312-cp312-macosx_11_0_arm64")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "functions"
    folder.mkdir()
    (folder / "orders.py").write_text("import pure\n")
    (folder / "requirements.txt").write_text("pure==1.0\n")
    return folder


@pytest.mark.parametrize(
    ("architecture", "tag"),
    [("x86_64", "cp313-cp313-manylinux_2_17_x86_64"), ("arm64", "cp313-cp313-manylinux2014_aarch64")],
)
def test_wheels_for_the_target_with_their_dependencies(
    index: Path, code: Path, architecture: str, tag: str
) -> None:
    packages = installed_requirements(code / "requirements.txt", Target("3.13", architecture))
    assert (packages / "native.py").read_text() == f"TAG = {tag!r}\n"
    assert (packages / "pure.py").is_file()


def test_the_same_text_is_installed_once(index: Path, code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = installed_requirements(code / "requirements.txt", X86)
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert installed_requirements(code / "requirements.txt", X86) == first
    (code / "requirements.txt").write_text("pure==1.0\n# changed\n")
    with pytest.raises(
        BundlingError, match=r"requirements.txt cannot be installed for Python 3.13 on x86_64"
    ):
        installed_requirements(code / "requirements.txt", X86)


def test_a_package_without_a_wheel_is_named(index: Path, code: Path) -> None:
    (code / "requirements.txt").write_text("native==3.0\n")
    with pytest.raises(BundlingError, match=r"No matching distribution found for native==3.0"):
        installed_requirements(code / "requirements.txt", X86)


def test_the_driver_has_the_version_of_the_layer(index: Path, code: Path) -> None:
    wheel(index, "psycopg", "9.9", "py3-none-any")
    (code / "requirements.txt").write_text("psycopg\n")
    with pytest.raises(BundlingError, match=r"psycopg and blocks-dsql come with the runtime layer"):
        installed_requirements(code / "requirements.txt", X86)


def asset(code: Path, tmp_path: Path, runtime: lambda_.Runtime) -> tuple[Path, str]:
    """Synthesize a function, and return the folder of its asset and its hash."""
    app = cdk.App(outdir=str(tmp_path / f"cdk.out.{runtime.name}"))
    stack = cdk.Stack(app, "Stack")
    lambda_.Function(
        stack, "Orders", runtime=runtime, handler="orders.handler", code=function_code(code, runtime=runtime)
    )
    app.synth()
    out = tmp_path / f"cdk.out.{runtime.name}"
    files = json.loads((out / "Stack.assets.json").read_text())["files"]
    ((digest, row),) = ((key, row) for key, row in files.items() if row["source"]["packaging"] == "zip")
    return out / row["source"]["path"], digest


def test_the_asset_has_code_and_packages(index: Path, code: Path, tmp_path: Path) -> None:
    wheel(index, "native", "2.2", "cp312-cp312-manylinux2014_x86_64")
    folder, digest = asset(code, tmp_path, lambda_.Runtime.PYTHON_3_13)
    names = {each.name for each in folder.iterdir() if each.suffix == ".py"}
    assert names == {"orders.py", "pure.py", "native.py"}
    older, other = asset(code, tmp_path, lambda_.Runtime.PYTHON_3_12)
    assert other != digest, "the target is part of the hash"
    assert "cp312" in (older / "native.py").read_text()


def test_a_folder_without_requirements_is_the_asset(index: Path, code: Path, tmp_path: Path) -> None:
    (code / "requirements.txt").unlink()
    folder, _ = asset(code, tmp_path, lambda_.Runtime.PYTHON_3_13)
    assert [each.name for each in folder.iterdir()] == ["orders.py"]


def test_no_folder() -> None:
    with pytest.raises(ConstructError, match="nosuch is not a folder"):
        function_code("nosuch")
