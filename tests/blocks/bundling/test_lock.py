"""The lock: what each target gets, so that the traps of packaging for another machine stay shut."""

from __future__ import annotations

import re

import pytest

from blocks.bundling import BundlingError, Target, every_target, lock

TARGETS = pytest.mark.parametrize("target", every_target(), ids=str)


def test_every_python_on_every_architecture_is_served() -> None:
    assert [str(target) for target in every_target()] == [
        f"Python 3.{minor} on {machine}" for machine in ("x86_64", "aarch64") for minor in (11, 12, 13, 14)
    ]


@TARGETS
def test_the_driver_is_one_release_with_its_binary_part(target: Target) -> None:
    wheels = {wheel.project: wheel for wheel in lock.wheels("runtime", target)}
    assert wheels["psycopg"].version == wheels["psycopg-binary"].version == "3.3.9"


@TARGETS
def test_typing_extensions_follows_the_target_and_not_the_python_that_bundles(target: Target) -> None:
    projects = {wheel.project for wheel in lock.wheels("runtime", target)}
    assert ("typing-extensions" in projects) == (target.python in ("3.11", "3.12"))


@TARGETS
@pytest.mark.parametrize("group", ["runtime", "runtime-client"])
def test_wheels_fit_their_target(target: Target, group: str) -> None:
    wheels = lock.wheels(group, target)
    assert len(wheels) in (2, 3)
    for wheel in wheels:
        pure = wheel.file.endswith("-none-any.whl")
        assert pure or (
            f"-{target.tag}-" in wheel.file and wheel.file.endswith(f"_{target.architecture}.whl")
        )
        assert wheel.file.startswith(f"{wheel.project.replace('-', '_')}-{wheel.version}-")
        assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256)


@pytest.mark.parametrize(
    ("name", "machine"),
    [("arm64", "aarch64"), ("AMD64", "x86_64"), ("aarch64", "aarch64"), ("x86_64", "x86_64")],
)
def test_an_architecture_has_several_names(name: str, machine: str) -> None:
    assert Target("3.13", name) == Target("3.13", machine)


@pytest.mark.parametrize(("python", "machine"), [("3.10", "x86_64"), ("3.15", "x86_64"), ("3.13", "riscv64")])
def test_fails_for_an_unknown_target(python: str, machine: str) -> None:
    with pytest.raises(BundlingError, match=f"no bundle for Python {python} on {machine}") as refused:
        Target(python, machine)
    assert "3.11, 3.12, 3.13, 3.14" in refused.value.why
