"""Every regular expression that may see the text of a client takes time in proportion to its length.

Python's `re` tries each way to divide a text among repetitions next to each other. A text that fits all of them and
then does not match takes the square of its length, or more, and a server stands still for that time.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
import time
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PACKAGES = ("blocks_runtime", "blocks_settings", "dsql_dialect", "local_dsql", "local_dynamodb")

COUNTS = (12, 18, 21, 24, 300, 1_000, 8_000)
"""Repetitions of a text, the few first: they are enough for a time that grows exponentially."""

SECONDS = 0.1
"""Time of the processor for one text. In proportion to the length it is a hundredth of that."""

ANYWHERE = {"search", "finditer", "findall", "sub", "subn", "split"}
"""Methods that try each position of the text."""


class Use(NamedTuple):
    place: str
    pattern: re.Pattern[Any]
    methods: frozenset[str]


def modules() -> Iterator[ModuleType]:
    for package in map(importlib.import_module, PACKAGES):
        yield package
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not each.name.endswith(("__main__", "pytest_plugin")) and ".conformance" not in each.name:
                yield importlib.import_module(each.name)


def uses() -> list[Use]:
    """Return the patterns that are attributes of modules, and those that are written in calls of `re`."""
    found: dict[tuple[Any, int], tuple[str, re.Pattern[Any], set[str]]] = {}
    names: dict[str, list[tuple[Any, int]]] = {}
    calls: list[tuple[str, str]] = []

    def add(place: str, pattern: re.Pattern[Any], method: str) -> tuple[Any, int]:
        key = pattern.pattern, pattern.flags
        found.setdefault(key, (place, pattern, set()))[2].update({method} - {""})
        return key

    for module in modules():
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                names.setdefault(name, []).append(add(f"{module.__name__}.{name}", value, ""))
        assert module.__file__ is not None
        with open(module.__file__, encoding="utf-8") as file:  # noqa: PTH123
            tree = ast.parse(file.read())
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            owner, method = call.func.value, call.func.attr
            if isinstance(owner, ast.Name) and owner.id != "re":
                calls.append((owner.id, method))
            elif isinstance(owner, ast.Name) and call.args and isinstance(call.args[0], ast.Constant):
                flags = re.IGNORECASE if "IGNORECASE" in ast.unparse(call) else re.NOFLAG
                flags |= re.DOTALL if "DOTALL" in ast.unparse(call) else re.NOFLAG
                if method in ANYWHERE | {"match", "fullmatch"}:
                    add(f"{module.__name__}:{call.lineno}", re.compile(call.args[0].value, flags), method)
    for name, method in calls:
        for key in names.get(name, ()):
            found[key][2].add(method)
    return [Use(place, pattern, frozenset(methods)) for place, pattern, methods in found.values()]


def members(items: Any) -> list[str]:
    """Return a character of each part of a set."""
    sample, chosen = {"SPACE": " ", "DIGIT": "1", "WORD": "a"}, []
    if items[0][0] is codes.NEGATE:
        given = re.compile(f"[{''.join(re.escape(each) for each in members(items[1:]))}]")
        return [each for each in "a 1.-" if not given.match(each)][:2]
    for code, value in items:
        if code is codes.LITERAL:
            chosen.append(chr(value))
        elif code is codes.RANGE:
            chosen.append(chr(value[0]))
        else:
            name = str(value).removeprefix("CATEGORY_")
            chosen.append(sample.get(name) or ("." if name == "NOT_WORD" else "a"))
    return chosen[:8]


def samples(tree: Any) -> list[str]:
    """Return texts that the parsed pattern matches, at most eight; assertions are not regarded."""
    texts = [""]
    for code, value in tree:
        choices: list[str]
        if code is codes.LITERAL:
            choices = [chr(value)]
        elif code in (codes.ANY, codes.NOT_LITERAL):
            choices = ["a" if value != ord("a") else "b"]
        elif code is codes.IN:
            choices = members(value)
        elif code is codes.BRANCH:
            choices = [text for branch in value[1] for text in samples(branch)]
        elif code is codes.SUBPATTERN:
            choices = samples(value[3])
        elif code is codes.ATOMIC_GROUP:
            choices = samples(value)
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            choices = [text * max(1, value[0]) for text in samples(value[2])]
        else:
            continue
        texts = [one + other for other in choices for one in texts][:8]
    return texts


def repeated(tree: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text that a pattern may repeat without end, with one that may stand before it."""
    for number, (code, value) in enumerate(tree):
        start = before + (samples(tree[:number]) or [""])[0]
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            if value[1] is codes.MAXREPEAT:
                yield from ((start, text) for text in samples(value[2]))
                yield from (("", start + text) for text in samples(value[2])[:2] if start)
            yield from repeated(value[2], start)
        elif code is codes.BRANCH:
            for branch in value[1]:
                yield from repeated(branch, start)
        elif code is codes.SUBPATTERN:
            yield from repeated(value[3], start)
        elif code is codes.ATOMIC_GROUP:
            yield from repeated(value, start)
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            yield from repeated(value[1], start)


def slow(use: Use) -> str:
    """Return a text for which a pattern takes too long, `""` if there is none."""
    pattern, is_bytes = use.pattern, isinstance(use.pattern.pattern, bytes)
    methods = ["match", "fullmatch", *(["search"] if use.methods & ANYWHERE else [])]
    text = pattern.pattern.decode("latin-1") if is_bytes else pattern.pattern
    found = set(repeated(parser.parse(text, pattern.flags & ~re.UNICODE if is_bytes else pattern.flags)))
    found |= {("", part) for _, part in found}
    for (start, part), end in itertools.product(sorted(found), ("\0", "")):
        for count, method in itertools.product(COUNTS, methods):
            given = start + part * count + end
            began = time.process_time()
            getattr(pattern, method)(given.encode("latin-1") if is_bytes else given)
            if time.process_time() - began > SECONDS:
                return f"{method}: {start!r} + {part!r} * {count} + {end!r}"
    return ""


USES = {use.place: use for use in uses()}


@pytest.mark.parametrize("place", USES)
def test_the_time_is_proportional_to_the_length(place: str) -> None:
    assert slow(USES[place]) == ""


@pytest.mark.parametrize(
    "pattern", [r"[0-9]+\.?[0-9]*", r"(?:a|a)+b", r"(?:a+)+b", r"\s*\s*x", r"(?s:/\*.*\*/)"]
)
def test_a_pattern_that_takes_longer_is_found(pattern: str) -> None:
    assert slow(Use("", re.compile(pattern), frozenset({"search"})))
