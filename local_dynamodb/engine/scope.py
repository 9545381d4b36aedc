"""Names and values that the expressions of one request refer to."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_dynamodb.engine.attributes import check_attribute, check_type, name_fault
from local_dynamodb.engine.errors import INVALID, ApiError, invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from local_dynamodb.engine.attributes import Attribute

_PLACEHOLDER = re.compile(r"[#:][A-Za-z0-9_]+")
_PLACEHOLDER_BYTES = 255
"""Bytes of a placeholder, its sign included (AWS developer guide, "Quotas in Amazon DynamoDB")."""


@cache
def reserved_words() -> frozenset[str]:
    """Return the words that are no names in expressions (AWS developer guide, "Reserved words in DynamoDB")."""
    text = (Path(__file__).parent / "reserved_words.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


class Scope:
    """ExpressionAttributeNames and ExpressionAttributeValues of a request, and which of them were used.

    Raises:
        ApiError: a placeholder is not valid, or its name or value.
    """

    def __init__(self, parameters: Mapping[str, Any], key_names: Collection[str]) -> None:
        self._key_names = key_names
        self._names = parameters.get("ExpressionAttributeNames")
        given = parameters.get("ExpressionAttributeValues")
        self._values = None
        if self._names is not None:
            _check_placeholders("ExpressionAttributeNames", "#", self._names)
            for token, name in self._names.items():
                check_type(name, str)
                if fault := name_fault(name):
                    raise invalid(f"ExpressionAttributeNames contains invalid value: {fault} for key {token}")
        if given is not None:
            _check_placeholders("ExpressionAttributeValues", ":", given)
            self._values = {token: _checked_value(token, value) for token, value in given.items()}
        self._used: set[str] = set()
        self._has_expression = any(name.endswith("Expression") for name in parameters)

    def name(self, token: str) -> str:
        """Return the name of an attribute, as an expression has it.

        Raises:
            ApiError: it is a reserved word, or a placeholder that is not defined.
        """
        if not token.startswith("#"):
            if token.upper() in reserved_words():
                raise invalid_expression(f"Attribute name is a reserved keyword; reserved keyword: {token}")
            return token
        self._used.add(token)
        if self._names is None or token not in self._names:
            raise invalid_expression(
                f"An expression attribute name used in the document path is not defined; attribute name: {token}"
            )
        return str(self._names[token])

    def value(self, token: str) -> Attribute:
        """Return the value of a placeholder.

        Raises:
            ApiError: it is not defined.
        """
        self._used.add(token)
        if self._values is None or token not in self._values:
            raise invalid_expression(
                f"An expression attribute value used in expression is not defined; attribute value: {token}"
            )
        return self._values[token]

    def check_scalar_key(self, path: tuple[str | int, ...]) -> None:
        """Check that a path does not lead into an attribute of the key.

        Raises:
            ApiError: it does.
        """
        if len(path) > 1 and path[0] in self._key_names:
            raise invalid(
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
                f"Key: {path[0]}"
            )

    def check_used(self) -> None:
        """Check that every name and value was used.

        Raises:
            ApiError: one was not.
        """
        for kind, given in (("Names", self._names), ("Values", self._values)):
            if given is not None and not self._has_expression:
                raise invalid(f"ExpressionAttribute{kind} can only be specified when using expressions")
            unused = [name for name in given or () if name not in self._used]
            if unused:
                raise invalid(
                    f"Value provided in ExpressionAttribute{kind} unused in expressions: keys: {{{', '.join(unused)}}}"
                )


def _check_placeholders(parameter: str, sign: str, given: Mapping[str, object]) -> None:
    if not given:
        raise invalid(f"{parameter} must not be empty")
    for token in given:
        size = len(token.encode("utf-8", "surrogatepass"))
        if size > _PLACEHOLDER_BYTES:
            raise invalid(
                f"{parameter} contains invalid key: The expression attribute map contains a key that is too "
                f"long; size of key: {size}"
            )
        if not _PLACEHOLDER.fullmatch(token) or not token.startswith(sign):
            raise invalid(f'{parameter} contains invalid key: Syntax error; key: "{token}"')


def _checked_value(token: str, value: object) -> Attribute:
    try:
        return check_attribute(value)
    except ApiError as error:
        if error.code != INVALID:
            raise
        raise invalid(
            f"ExpressionAttributeValues contains invalid value: {error.message} for key {token}"
        ) from None


def invalid_expression(message: str) -> Exception:
    """Return an error of an expression whose kind the caller adds."""
    return ExpressionFault(message)


class ExpressionFault(Exception):
    """A fault in an expression, before its kind is known."""
