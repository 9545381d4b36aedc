"""What a resource handler is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.assembly.asset import Asset
    from blocks_cli.json_value import Json
    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.state import DeployedResource


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """A resource to be created, or updated where `previous` is there; `properties` are resolved."""

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
        """Return the stack's ARN."""
        return f"{self.arn_prefix('cloudformation')}:stack/{self.stack}/local"

    def arn_prefix(self, service: str) -> str:
        """Return `arn:partition:service:region:account`."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}"


@dataclass(frozen=True, slots=True)
class ResourceResult:
    """What exists now. Another `physical_id` than before means a replacement: the old one is deleted."""

    physical_id: str
    attributes: Mapping[str, Json] = field(default_factory=dict)
    local: Mapping[str, str] = field(default_factory=dict)


class ResourceHandler(Protocol):
    """Makes one type of resource exist."""

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Create or update the resource.

        Raises:
            CommandError: it cannot be done; nothing of it counts as deployed.
        """

    def restore(self, resource: DeployedResource, account: LocalAccount) -> Mapping[str, str]:
        """Bring a deployed resource to life: right after it was applied, and in every later process.

        Returns texts of the recorded state that no longer hold, with what they read now.
        """

    def delete(self, resource: DeployedResource, account: LocalAccount, *, purge: bool) -> None:
        """Remove the resource; `purge` overrides what protects it.

        Raises:
            CommandError: it cannot be removed.
        """


class PassiveHandler:
    """Base of handlers with nothing alive behind them."""

    def restore(self, resource: DeployedResource, account: LocalAccount) -> Mapping[str, str]:
        """Have nothing to bring to life."""
        del resource, account
        return {}

    def delete(self, resource: DeployedResource, account: LocalAccount, *, purge: bool) -> None:
        """Have nothing to remove."""
        del resource, account, purge
