"""Checks of tags: what CloudFormation and the tagged services refuse, found at synth."""

from __future__ import annotations

import reprlib
import unicodedata
from typing import TYPE_CHECKING

from aws_cdk import Token

from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST_KEY = 128
_LONGEST_VALUE = 256
_MOST = 50
_RESERVED = "aws:"
_SIGNS = frozenset("_.:/=+-@")
_SOURCE = "AWS refuses such a tag"


def check_tags(tags: Mapping[str, str] | None, *, empty_values: bool, distinct_in_lower_case: bool) -> None:
    """Check tags against the limits that services have in common; tokens pass.

    Args:
        tags: the tags of a construct.
        empty_values: a tagged resource takes an empty value; CloudFormation's AWS::DSQL::Cluster takes none.
        distinct_in_lower_case: keys may not differ in case only, as those of an IAM role.

    Raises:
        ConstructError: a tag, or their number, is refused.
    """
    given = tags or {}
    if len(given) > _MOST:
        raise ConstructError(
            f"tags has {len(given)} tags",
            f"a resource has at most {_MOST}",
            "leave out the least important ones",
        )
    for key, value in given.items():
        for fault, remedy in (*_faults_of_key(key), *_faults_of_value(value, empty_values)):
            raise ConstructError(f"tags has {_shown(key)}: {_shown(value)}", f"{fault}; {_SOURCE}", remedy)
    first: dict[str, str] = {}
    for key in given if distinct_in_lower_case else ():
        if (other := first.setdefault(key.lower(), key)) != key:
            raise ConstructError(
                f"tags has {_shown(other)} and {_shown(key)}",
                f"keys of the tags of an IAM role may not differ in case only; {_SOURCE}",
                "leave one of them out",
            )


def _faults_of_key(key: str) -> Iterator[tuple[str, str]]:
    if Token.is_unresolved(key):
        return
    if not 1 <= len(key) <= _LONGEST_KEY:
        yield f"a key has 1 to {_LONGEST_KEY} characters, and this one {len(key)}", "shorten the key"
    if key.lower().startswith(_RESERVED):
        yield f"keys that begin with `{_RESERVED}` are reserved for AWS", "choose another key"
    yield from _faults_of_characters(key)


def _faults_of_value(value: str, empty_values: bool) -> Iterator[tuple[str, str]]:
    if Token.is_unresolved(value):
        return
    if len(value) > _LONGEST_VALUE:
        yield (
            f"a value has at most {_LONGEST_VALUE} characters, and this one {len(value)}",
            "shorten the value",
        )
    if not value and not empty_values:
        yield "the value is empty", "write a value, such as `true`, or leave the tag out"
    yield from _faults_of_characters(value)


def _faults_of_characters(text: str) -> Iterator[tuple[str, str]]:
    """Yield the first character that is neither a letter, a digit, a space nor one of the allowed signs."""
    for each in text:
        if each not in _SIGNS and unicodedata.category(each)[0] not in "LNZ":
            yield (
                f"{each!r} is not allowed in a tag",
                f"use letters, digits, spaces and {' '.join(sorted(_SIGNS))}",
            )
            return


def _shown(text: str) -> str:
    return reprlib.repr(text)
