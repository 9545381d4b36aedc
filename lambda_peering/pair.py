"""The two clusters of one database, from the properties of the custom resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import PeeringError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Pair:
    """The ARNs of both clusters and their witness Region.

    `deletes` says whether deleting the stacks deletes the clusters; otherwise a Delete request changes nothing.
    """

    primary: str
    peer: str
    witness: str
    deletes: bool

    @classmethod
    def of(cls, properties: Mapping[str, object]) -> Pair:
        """Return the pair from the properties of `Custom::DsqlPeering`.

        Raises:
            PeeringError: the properties are of another release.
        """
        try:
            return cls(
                primary=str(properties["PrimaryCluster"]),
                peer=str(properties["PeerCluster"]),
                witness=str(properties["WitnessRegion"]),
                deletes=properties["OnDelete"] == "DELETE",
            )
        except KeyError as error:
            raise PeeringError(
                "the properties of the peering are incomplete",
                f"the custom resource has no property {error.args[0]}",
                "install one release of blocks-dsql for the construct and its functions, and deploy again",
            ) from None

    @property
    def arns(self) -> list[str]:
        """Return both ARNs, the primary's first."""
        return [self.primary, self.peer]


def region_of(arn: str) -> str:
    """Return the Region in a cluster's ARN."""
    return arn.split(":")[3]


def identifier_of(arn: str) -> str:
    """Return the identifier in a cluster's ARN."""
    return arn.rpartition("/")[2]
