"""Names of the packages that a list of requirements brings, by the metadata of the installed ones."""

from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)\s*(?:\[(?P<extras>[^\]]*)\])?(?P<rest>.*)", re.DOTALL)
_EXTRA = re.compile(r"\bextra\s*==\s*[\"']([\w.-]+)[\"']")


def normalized(name: str) -> str:
    """Return the name of a package as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed_packages(requirements: Iterable[str]) -> set[str]:
    """Return the normalized names of the required packages, of those that they require, and so on.

    Conditions other than extras count as true, so that the names are those for every system.
    """
    needed: set[tuple[str, str]] = set()
    waiting = [each for text in requirements for each in _parts(text)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in needed:
            continue
        needed.add((name, extra))
        for text in _requirements(name):
            wanted = _EXTRA.findall(text)
            if not wanted or extra in map(normalized, wanted):
                waiting += _parts(text)
    return {name for name, _ in needed}


def _parts(requirement: str) -> list[tuple[str, str]]:
    """Return the name of a requirement, without an extra and with each."""
    found = _REQUIREMENT.match(requirement.strip())
    if found is None:
        return []
    extras = [normalized(each.strip()) for each in (found["extras"] or "").split(",") if each.strip()]
    return [(normalized(found["name"]), extra) for extra in ("", *extras)]


def _requirements(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # one for another system
        return []
