"""Errors of DynamoDB, as its API returns them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INVALID = "ValidationException"
"""Code of the error for a request that is not valid."""

_NAMESPACES = {
    INVALID: "com.amazon.coral.validate",
    "ThrottlingException": "com.amazon.coral.availability",
}
_NAMESPACE = "com.amazonaws.dynamodb.v20120810"


class ApiError(Exception):
    """An error response: its code, its message, and further members of its body."""

    status = 400

    def __init__(self, code: str, message: str, **further: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.further = further

    @property
    def body(self) -> dict[str, Any]:
        """The body of the response."""
        name = "Message" if self.code == "TransactionCanceledException" else "message"
        return {
            "__type": f"{_NAMESPACES.get(self.code, _NAMESPACE)}#{self.code}",
            name: self.message,
            **self.further,
        }


class ServerError(ApiError):
    """An error of the service, with the status 500."""

    status = 500


def invalid(message: str) -> ApiError:
    """Return the error for a request that is not valid."""
    return ApiError(INVALID, message)


def invalid_values(message: str) -> ApiError:
    """Return the error for parameters that are not valid together."""
    return invalid(f"One or more parameter values were invalid: {message}")


def condition_failed(old: Mapping[str, Any] | None) -> ApiError:
    """Return the error for a failed condition, with the item if it was asked for."""
    further = {} if old is None else {"Item": old}
    return ApiError("ConditionalCheckFailedException", "The conditional request failed", **further)


def canceled(reasons: Sequence[Mapping[str, Any]]) -> ApiError:
    """Return the error for a transaction; there is one reason for each action."""
    codes = ", ".join(str(reason["Code"]) for reason in reasons)
    return ApiError(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        CancellationReasons=list(reasons),
    )
