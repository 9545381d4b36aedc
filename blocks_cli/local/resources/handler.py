"""Interface of resource handlers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.assembly.asset import Asset
    from blocks_cli.json_value import Json
    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.state import DeployedResource


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """A resource to create, or to update if there is a `previous` one; `properties` are evaluated."""

    stack: str
    region: str
    account: str
    partition: str
    logical_id: str
    type: str
    path: str
    properties: Mapping[str, Json]
    assets: Mapping[str, Asset]
    previous: DeployedResource | None = None

    @property
    def stack_id(self) -> str:
        """ARN of the stack."""
        return f"{self.arn_prefix('cloudformation')}:stack/{self.stack}/local"

    def arn_prefix(self, service: str) -> str:
        """Return `arn:partition:service:region:account`."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}"


@dataclass(frozen=True, slots=True)
class ResourceResult:
    """A created or updated resource. A changed `physical_id` means a replacement: the old resource is deleted."""

    physical_id: str
    attributes: Mapping[str, Json] = field(default_factory=dict)
    local: Mapping[str, str] = field(default_factory=dict)


KEPT = "; completed steps are kept"
"""End of a remedy, for a deploy without a rollback."""


class HandlerFailedError(CommandError):
    """The handler of a custom resource failed; `physical_id` is that of its response, "" if there was none."""

    def __init__(self, what: str, why: str, physical_id: str) -> None:
        remedy = f"correct the cause and deploy again{KEPT}"
        super().__init__(what, why, remedy, ExitCode.MIGRATION_FAILED)
        self.physical_id = physical_id


class ResourceHandler(Protocol):
    """Creates, starts and deletes resources of one type."""

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Create or update the resource.

        Raises:
            CommandError: it failed; the resource does not count as deployed.
        """

    def restore(self, resource: DeployedResource, account: LocalAccount) -> Mapping[str, str]:
        """Start a deployed resource: right after `apply`, and in every later process.

        Returns replacements for texts in the recorded state, such as an endpoint with a new port.
        """

    def delete(self, resource: DeployedResource, account: LocalAccount, *, purge: bool) -> None:
        """Delete the resource; `purge` overrides its protection.

        Raises:
            CommandError: it cannot be deleted.
        """


class PassiveHandler:
    """Base class of handlers without a running counterpart."""

    def restore(self, resource: DeployedResource, account: LocalAccount) -> Mapping[str, str]:
        """Do nothing."""
        del resource, account
        return {}

    def delete(self, resource: DeployedResource, account: LocalAccount, *, purge: bool) -> None:
        """Do nothing."""
        del resource, account, purge
