"""Roles and policies. Permissions are computed when a function needs credentials."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import POLICY, ROLE, ROLE_POLICY
from blocks_cli.json_value import Json, text
from blocks_cli.local.placeholders import physical_name
from blocks_cli.local.resources.handler import PassiveHandler, ResourceRequest, ResourceResult

if TYPE_CHECKING:
    from blocks_cli.local.account import LocalAccount


@dataclass(frozen=True, slots=True)
class IdentityHandler(PassiveHandler):
    """Assigns name and ARN of a role or policy; `kind` is the resource part of its ARN, None if it has no ARN."""

    kind: str | None

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Return name and ARN."""
        del account
        name = self._name(request)
        if self.kind is None:
            return ResourceResult(name, {"Id": name} if request.type == POLICY else {})
        arn = f"arn:{request.partition}:iam::{request.account}:{self.kind}{_iam_path(request)}{name}"
        if self.kind == "policy":
            return ResourceResult(arn, {"PolicyArn": arn})
        return ResourceResult(name, {"Arn": arn, "RoleId": _role_id(arn)})

    def _name(self, request: ResourceRequest) -> str:
        """Return the name; another one is a replacement, as it is for create-only properties in the schemas."""
        given = {name: text(request.properties.get(name)) for name in ("RoleName", "PolicyName")}
        if request.type == ROLE_POLICY:
            return f"{given['PolicyName']}|{given['RoleName']}"
        if request.type == POLICY:
            return physical_name(request.stack, request.logical_id)  # it may be renamed in place
        chosen = (
            given["RoleName"] if request.type == ROLE else text(request.properties.get("ManagedPolicyName"))
        )
        generated = physical_name(request.stack, request.logical_id, _iam_path(request).rstrip("/"))
        return chosen or generated


def _iam_path(request: ResourceRequest) -> str:
    return text(request.properties.get("Path")) or "/"


def _role_id(arn: str) -> Json:
    return f"AROA{hashlib.sha256(arn.encode()).hexdigest()[:17].upper()}"
