"""Errors of the DSQL control plane with their HTTP status, from the API model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ApiError(Exception):
    """An error response: name in the API model, HTTP status, message, further members."""

    def __init__(
        self, name: str, status: int, message: str, members: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.status = status
        self.body = {"message": message, **(members or {})}


def validation(message: str, reason: str = "other") -> ApiError:
    """Return the error for an invalid request."""
    return ApiError("ValidationException", 400, message, {"reason": reason})


def not_found(identifier: str) -> ApiError:
    """Return the error for an unknown cluster."""
    return ApiError(
        "ResourceNotFoundException",
        404,
        f"Cluster {identifier} not found",
        {"resourceId": identifier, "resourceType": "cluster"},
    )


def conflict(identifier: str, message: str) -> ApiError:
    """Return the error for a cluster in a state that does not allow the operation."""
    members = {"resourceId": identifier, "resourceType": "cluster"}
    return ApiError("ConflictException", 409, message, members)


def denied(action: str, resource: str) -> ApiError:
    """Return the error for a missing permission."""
    return ApiError(
        "AccessDeniedException", 403, f"not authorized to perform: {action} on resource: {resource}"
    )
