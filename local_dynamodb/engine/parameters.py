"""Checks of the parameters of a request, apart from expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_dynamodb.engine.attributes import check_type
from local_dynamodb.engine.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sized

_LEGACY = (
    "AttributesToGet",
    "Expected",
    "AttributeUpdates",
    "KeyConditions",
    "QueryFilter",
    "ScanFilter",
    "ConditionalOperator",
)
_OF_ITEM = ("NONE", "ALL_OLD")
_OF_UPDATE = (*_OF_ITEM, "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
_SELECTIONS = ("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")


def required(parameters: Mapping[str, Any], name: str) -> Any:
    """Return a parameter.

    Raises:
        ApiError: it is missing.
    """
    if parameters.get(name) is None:
        raise _unfit("Value null", name, "Member must not be null")
    return parameters[name]


def required_list(parameters: Mapping[str, Any], name: str, most: int | None = None) -> Any:
    """Return a parameter that has elements, `most` at most.

    Raises:
        ApiError: it is missing, empty or too long.
    """
    found: Sized = required(parameters, name)
    if not found:
        raise _unfit(f"Value '{found}'", name, "Member must have length greater than or equal to 1")
    if most is not None and len(found) > most:
        raise _unfit("Value", name, f"Member must have length less than or equal to {most}")
    return found


def attribute_name(parameters: Mapping[str, Any]) -> str:
    """Return AttributeName: of an element of KeySchema or AttributeDefinitions, or of the time to live.

    Raises:
        ApiError: it is missing, empty or too long.
    """
    found = required(parameters, "AttributeName")
    check_type(found, str)
    if not 1 <= len(found.encode("utf-8", "surrogatepass")) <= _NAME_BYTES:
        bound = "less" if found else "greater"
        most = _NAME_BYTES if found else 1
        raise _unfit(
            f"Value '{found}'", "AttributeName", f"Member must have length {bound} than or equal to {most}"
        )
    return str(found)


_NAME_BYTES = 255
"""Bytes of such a name (AWS developer guide, "Quotas in Amazon DynamoDB", secondary index keys; others alike)."""


def no_legacy(parameters: Mapping[str, Any]) -> None:
    """Check that there is no parameter from before expressions.

    Raises:
        ApiError: there is one.
    """
    for name in _LEGACY:
        if name in parameters:
            raise invalid(f"The legacy parameter {name} is not available locally; use expressions")


def return_values(parameters: Mapping[str, Any], *, of_update: bool = False) -> str:
    """Return ReturnValues; only UpdateItem returns new or updated attributes.

    Raises:
        ApiError: the operation does not return them.
    """
    wanted = _one_of(parameters, "ReturnValues", _OF_UPDATE)
    if not of_update and wanted not in _OF_ITEM:
        raise invalid("Return values set to invalid value")
    return wanted


def wants_failed_item(parameters: Mapping[str, Any]) -> bool:
    """Return whether the error of a failed condition is to have the item.

    Raises:
        ApiError: ReturnValuesOnConditionCheckFailure is not valid.
    """
    return _one_of(parameters, "ReturnValuesOnConditionCheckFailure", _OF_ITEM) == "ALL_OLD"


def wants_count_only(parameters: Mapping[str, Any]) -> bool:
    """Return whether Select asks for no items.

    Raises:
        ApiError: Select is not valid, or does not fit to ProjectionExpression.
    """
    if parameters.get("Select") is None:
        return False
    select = _one_of(parameters, "Select", _SELECTIONS)
    has_projection = parameters.get("ProjectionExpression") is not None
    if select == "SPECIFIC_ATTRIBUTES" and not has_projection:
        raise invalid(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
        )
    if select != "SPECIFIC_ATTRIBUTES" and has_projection:
        chosen = "only the Count" if select == "COUNT" else select
        raise invalid(f"Cannot specify the ProjectionExpression when choosing to get {chosen}")
    if select == "ALL_PROJECTED_ATTRIBUTES":
        raise invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
    return select == "COUNT"


def limit(parameters: Mapping[str, Any]) -> int | None:
    """Return the largest number of items that a page reads; None for no limit.

    Raises:
        ApiError: it is below 1.
    """
    found = parameters.get("Limit")
    if found is None:
        return None
    check_type(found, int)
    if found < 1:
        raise _unfit("Value", "Limit", "Member must have value greater than or equal to 1")
    return int(found)


def token(parameters: Mapping[str, Any]) -> str | None:
    """Return ClientRequestToken; None if there is none.

    Raises:
        ApiError: it is empty or too long.
    """
    found = parameters.get("ClientRequestToken")
    if found is not None and not 1 <= len(found) <= _TOKEN_CHARACTERS:
        raise _unfit(
            "Value",
            "ClientRequestToken",
            f"Member must have length between 1 and {_TOKEN_CHARACTERS}",
        )
    return found


_TOKEN_CHARACTERS = 36
"""Characters of a ClientRequestToken (AWS API reference, "TransactWriteItems")."""


def _one_of(parameters: Mapping[str, Any], name: str, allowed: Collection[str]) -> str:
    found = str(parameters.get(name) or "NONE")
    if found not in allowed:
        raise _unfit(f"Value '{found}'", name, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    return found


def _unfit(value: str, name: str, constraint: str) -> Exception:
    """Return the error for a parameter that does not fit to the definition of its operation."""
    shown = name[:1].lower() + name[1:]
    return invalid(
        f"1 validation error detected: {value} at '{shown}' failed to satisfy constraint: {constraint}"
    )
