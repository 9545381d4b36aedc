"""The errors of the DSQL control plane, with the HTTP status that its API model gives each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ApiError(Exception):
    """What the API answers instead of a result: a name of the model, a message, further members."""

    def __init__(
        self, name: str, status: int, message: str, members: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.status = status
        self.body = {"message": message, **(members or {})}


def validation(message: str, reason: str = "other") -> ApiError:
    """Return the refusal of a request that makes no sense."""
    return ApiError("ValidationException", 400, message, {"reason": reason})


def not_found(identifier: str) -> ApiError:
    """Return that there is no such cluster."""
    return ApiError(
        "ResourceNotFoundException",
        404,
        f"Cluster {identifier} not found",
        {"resourceId": identifier, "resourceType": "cluster"},
    )


def conflict(identifier: str, message: str) -> ApiError:
    """Return that the cluster's state does not allow it now."""
    members = {"resourceId": identifier, "resourceType": "cluster"}
    return ApiError("ConflictException", 409, message, members)


def denied(action: str, resource: str) -> ApiError:
    """Return that the caller may not do `action` on `resource`."""
    return ApiError(
        "AccessDeniedException", 403, f"not authorized to perform: {action} on resource: {resource}"
    )
