"""Names and values that the expressions of one request refer to."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_dynamodb.engine.attributes import check_attribute
from local_dynamodb.engine.errors import invalid, invalid_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dynamodb.engine.attributes import Attribute


@cache
def reserved_words() -> frozenset[str]:
    """Return the words that are no names in expressions (AWS developer guide, "Reserved words in DynamoDB")."""
    text = (Path(__file__).parent / "reserved_words.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


class Scope:
    """ExpressionAttributeNames and ExpressionAttributeValues of a request, and which of them were used."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._names = parameters.get("ExpressionAttributeNames")
        given = parameters.get("ExpressionAttributeValues")
        self._values = None
        if given is not None:
            if not given:
                raise invalid("ExpressionAttributeValues must not be empty")
            self._values = {name: check_attribute(value) for name, value in given.items()}
        self._used: set[str] = set()
        self._has_expression = any(name.endswith("Expression") for name in parameters)
        if self._names is not None and not self._names:
            raise invalid("ExpressionAttributeNames must not be empty")

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


def invalid_expression(message: str) -> Exception:
    """Return an error of an expression whose kind the caller adds."""
    return ExpressionFault(message)


class ExpressionFault(Exception):
    """A fault in an expression, before its kind is known."""


__all__ = ["ExpressionFault", "Scope", "invalid_values", "reserved_words"]
