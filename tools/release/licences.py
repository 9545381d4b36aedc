"""Licences of every dependency, from the metadata of the installed packages and from package-lock.json.

    python -m tools.release.licences             prints the table of docs/licences.md
    python -m tools.release.licences --write     writes it

The page lists the packages of each extra, those of development, and those of Node. A licence that is neither permissive
nor in `EXCEPTIONS` is an error, and so is one that the metadata does not name.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "licences.md"
OURS = "blocks-dsql"
BEGIN, END = "<!-- begin: python -m tools.release.licences -->\n", "<!-- end -->\n"

PERMISSIVE = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CNRI-Python", "ISC", "MIT", "MIT-0"),
        *("PSF-2.0", "Python-2.0", "Unlicense", "Zlib"),
    }
)
"""SPDX identifiers of licences without conditions on the program that uses the package."""

EXCEPTIONS: dict[str, tuple[str, str]] = {
    "psycopg": ("LGPL-3.0-only", "the driver; imported as it is, unchanged, and replaceable by the user"),
    "psycopg-binary": ("LGPL-3.0-only", "the driver's extension with libpq; unchanged, and replaceable"),
    "psycopg-pool": ("LGPL-3.0-only", "AWS's connector names it; imported as it is"),
    "psycopg2-binary": ("LGPL-3.0-or-later", "tests: a driver that the local database must serve"),
    "axe-core": ("MPL-2.0", "tests: checks the accessibility of a page; unchanged"),
    "certifi": ("MPL-2.0", "tests: a list of certificate authorities, unchanged"),
    "hypothesis": ("MPL-2.0", "tests: generates cases; unchanged"),
    "docutils": (
        "LicenseRef-public-domain AND BSD-2-Clause AND Python-2.0 AND GPL-3.0-or-later",
        "Sphinx imports it; the files under the GPL are for Emacs; unchanged",
    ),
    "pathspec": ("MPL-2.0", "development: hatchling and mypy import it; unchanged"),
}
"""Packages with conditions on changes of their own files: licence, and the reason why they are used."""

NAMES = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "apache": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "dual license": "Apache-2.0 OR BSD-3-Clause",
    "gnu library or lesser general public license (lgpl)": "LGPL-3.0-or-later",
    "lgpl with exceptions": "LGPL-3.0-or-later",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mit no attribution license (mit-0)": "MIT-0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
"""SPDX identifiers for the names of older metadata, in lower case."""


@dataclass(frozen=True, order=True)
class Package:
    """A dependency: where it comes from, its SPDX expression, and a reason if the licence is an exception."""

    name: str
    version: str
    licence: str
    needed_by: str
    reason: str = ""


class UnknownLicenceError(Exception):
    """A package has a licence that is neither permissive nor an exception, or that its metadata does not name."""


def expression(name: str) -> str:
    """Return the SPDX expression of an installed package.

    Raises:
        UnknownLicenceError: the metadata names none that this module knows.
    """
    found = metadata.metadata(name)
    if given := (found.get_all("License-Expression") or [""])[0]:
        return str(given)
    classified = [
        each.rpartition(" :: ")[2]
        for each in found.get_all("Classifier") or ()
        if each.startswith("License ::") and not each.endswith("OSI Approved")
    ]
    # A whole text in the field License is no name.
    named = [each for each in found.get_all("License") or () if each and "\n" not in each]
    for names in (named, classified):
        known = {NAMES.get(each.lower(), each) for each in names}
        if known and all(spdx(each) for each in known):
            return " OR ".join(sorted(known))
    if name in EXCEPTIONS:  # metadata without an expression cannot say which files have which licence
        return EXCEPTIONS[name][0]
    raise UnknownLicenceError(
        f"{name}: its licence is unknown: the metadata says {named + classified or 'nothing'}; "
        "read its LICENSE file and add the name to NAMES in tools/release/licences.py"
    )


def spdx(text: str) -> bool:
    """Return whether every identifier of an expression is one that this module judges."""
    known = PERMISSIVE | {"AFL-2.1"} | {licence for licence, _ in EXCEPTIONS.values()}
    return set(re.findall(r"[\w.+-]+", text)) - {"OR", "AND", "WITH"} <= known


def permitted(package: str, licence: str) -> bool:
    """Return whether one alternative of an expression has permissive licences only, or is the package's exception."""
    # With parentheses, alternatives are not told apart: every licence must be permissive then.
    parts = [licence] if "(" in licence else licence.split(" OR ")
    alternatives = [set(re.findall(r"[\w.+-]+", each)) - {"AND", "OR"} for each in parts]
    if any(each and each <= PERMISSIVE for each in alternatives):
        return True
    return package in EXCEPTIONS and EXCEPTIONS[package][0] == licence


def extras() -> list[str]:
    """Return the names of the extras, and "" first for the bare install."""
    return ["", *project()["optional-dependencies"]]


@cache
def project() -> dict[str, Any]:
    """Return the table `project` of pyproject.toml."""
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"])


def brought(extra: str) -> set[str]:
    """Return the canonical names of all packages that the install with an extra brings."""
    seen: set[tuple[str, str]] = set()
    todo = [(OURS, extra)]
    while todo:
        package, wanted = todo.pop()
        if (package, wanted) in seen:
            continue
        seen.add((package, wanted))
        for line in metadata.requires(package) or ():
            requirement = Requirement(line)
            if holds(requirement, wanted):
                name = canonicalize_name(requirement.name)
                todo += [(name, each) for each in ("", *requirement.extras)]
    return {package for package, _ in seen} - {OURS}


def pinned() -> list[str]:
    """Return the canonical names in requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return sorted(
        canonicalize_name(Requirement(line).name)
        for line in lines
        if line.strip() and not line.startswith("#") and holds(Requirement(line))
    )


def holds(requirement: Requirement, extra: str = "") -> bool:
    """Return whether a requirement's marker holds on Linux, under the oldest Python that is supported."""
    if requirement.marker is None:
        return True
    oldest = str(project()["requires-python"]).removeprefix(">=")
    return requirement.marker.evaluate(
        {
            "python_version": oldest,
            "python_full_version": f"{oldest}.0",
            "extra": extra,
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": "x86_64",
        }
    )


def python_packages() -> list[Package]:
    """Return every Python package of the extras and of development, sorted by name.

    Raises:
        UnknownLicenceError: a licence is unknown, or not permitted.
    """
    users: dict[str, list[str]] = {}
    for extra in extras():
        for name in brought(extra):
            users.setdefault(name, []).append(f"`{extra}`" if extra else "the runtime")
    found = []
    for name in sorted({*pinned(), *users}):
        licence, needed = expression(name), users.get(name, ["development"])
        if not permitted(name, licence):
            raise UnknownLicenceError(
                f"{name}: its licence {licence} is neither permissive nor an exception; replace the package, or add "
                "it to EXCEPTIONS in tools/release/licences.py with the reason"
            )
        by = "the runtime" if "the runtime" in needed else ", ".join(needed)
        reason = EXCEPTIONS[name][1] if name in EXCEPTIONS else ""
        found.append(Package(name, metadata.version(name), licence, by, reason))
    return found


def node_packages() -> list[Package]:
    """Return every package of package-lock.json: the CDK's command line, which no extra installs.

    Raises:
        UnknownLicenceError: a licence is not permitted.
    """
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    found = []
    for path, each in packages.items():
        if not path:
            continue
        name, licence = path.rpartition("node_modules/")[2], str(each.get("license", "not named"))
        if not permitted(name, licence):
            raise UnknownLicenceError(
                f"{name} (Node): its licence {licence} is neither permissive nor an exception"
            )
        found.append(Package(name, each["version"], licence, "development"))
    return sorted(found)


def tables() -> str:
    """Return the tables of the page, as Markdown."""
    everything = python_packages()
    used = [each for each in everything if each.needed_by != "development"]
    only = [each for each in everything if each.needed_by == "development"]
    parts = []
    for title, packages in (
        ("Installed with the package", used),
        ("Development and tests only", only),
        ("Node, for development only", node_packages()),
    ):
        shown = title == "Installed with the package"
        head = "| package | version | licence | " + ("needed by |" if shown else "reason of an exception |")
        lines = [f"## {title}", "", head, "|---|---|---|---|"]
        for each in packages:
            last = each.needed_by + (f"; exception: {each.reason}" if each.reason else "")
            lines.append(
                f"| {each.name} | {each.version} | {each.licence} | {last if shown else each.reason} |"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def current() -> str:
    """Return the tables that the page has now."""
    return PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip("\n") + "\n"


def write() -> None:
    """Write the tables into the page."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{tables()}\n{END}{after}", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Print or write the tables."""
    if arguments == ["--write"]:
        write()
    else:
        print(tables(), end="")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UnknownLicenceError as error:
        sys.exit(f"licences: {error}")
