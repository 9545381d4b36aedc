"""Release check: licences, versions, a program for each extra; slow: the builds and the bare install."""

from __future__ import annotations

import re
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from tools.release import installs, licences, steps

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(sys.platform != "linux", reason="some packages are for Linux only")
def test_the_page_of_licences_is_up_to_date() -> None:
    """`python -m tools.release.licences --write` writes it."""
    assert licences.current() == licences.tables()


def test_no_exception_is_left_over() -> None:
    assert {name for name in licences.EXCEPTIONS if f"\n| {name} |" not in licences.current()} == set()


@pytest.mark.parametrize(
    ("package", "licence", "allowed"),
    [
        ("any", "MIT", True),
        ("any", "MIT AND PSF-2.0", True),
        ("any", "GPL-3.0-only OR MIT", True),
        ("any", "GPL-3.0-only", False),
        ("any", "MIT AND GPL-3.0-only", False),
        ("any", "LGPL-3.0-only", False),
        ("psycopg", "LGPL-3.0-only", True),
        ("psycopg", "GPL-3.0-only", False),
        ("any", "(MIT OR GPL-3.0-only) AND GPL-2.0-only", False),
        ("any", "(MIT OR BSD-3-Clause) AND PSF-2.0", True),
        ("any", "not named", False),
        ("any", "", False),
    ],
)
def test_licences_that_are_permitted(package: str, licence: str, *, allowed: bool) -> None:
    assert licences.permitted(package, licence) is allowed


LOG = "# Changelog\n\n{heading}\n\n{first}\n\n## [0.0.1] - 2026-01-01\n"


@pytest.mark.parametrize(
    ("heading", "first", "answer"),
    [
        ("## [1.2.0a1] - 2026-11-30", "Text.", "1.2.0a1, section dated"),
        ("## [Unreleased]", "The next version, 1.2.0a1, is not published.", "1.2.0a1, section not dated yet"),
    ],
)
def test_a_change_log_that_names_the_version(heading: str, first: str, answer: str) -> None:
    text = LOG.format(heading=heading, first=first)
    assert steps.change_log_names_the_version(text, "1.2.0a1") == answer


@pytest.mark.parametrize(
    ("heading", "first"),
    [
        ("## [Unreleased]", "The next version, 1.2.0a10, is not published."),
        ("## [Unreleased]", "The next version is 11.2.0a1."),
        ("## [1.2.0] - 2026-11-30", "1.2.0a1"),
        ("## [1.2.0a1]", "Without a date."),
    ],
)
def test_a_change_log_of_another_version(heading: str, first: str) -> None:
    with pytest.raises(steps.CheckError, match=re.escape("version 1.2.0a1")):
        steps.change_log_names_the_version(LOG.format(heading=heading, first=first), "1.2.0a1")


def test_every_extra_has_a_program() -> None:
    assert {smoke.extras for smoke in installs.SMOKES} >= set(licences.extras())
    assert [smoke.program for smoke in installs.SMOKES if not smoke.program.is_file()] == []


def test_the_change_log_of_this_version() -> None:
    steps.version_and_change_log_agree()


@pytest.mark.slow
def test_builds_are_reproducible_and_the_bare_install_works() -> None:
    """`make release-check` does the same for every extra."""
    steps.builds_are_reproducible()
    installs.make_environment("")
    for smoke in installs.SMOKES:
        if smoke.extras == "" and not smoke.served:
            installs.run(smoke, {})


def test_a_build_that_differs_is_named(tmp_path: Path) -> None:
    for name, text in (("one.whl", "a"), ("two.whl", "b")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("same.py", "")
            archive.writestr(zipfile.ZipInfo("differs.py"), text)
    assert steps.difference(tmp_path / "one.whl", tmp_path / "two.whl") == "differs.py first"
