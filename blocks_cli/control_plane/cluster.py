"""A cluster in the control plane."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field

from blocks_cli.control_plane.errors import validation

_ARN = re.compile(r"arn:aws(-[^:]+)?:dsql:([a-z0-9-]{1,20}):([0-9]{12}):cluster/([a-z0-9]{26})")


class Status(enum.Enum):
    """The states of a cluster in the API model."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    IDLE = "IDLE"
    INACTIVE = "INACTIVE"
    UPDATING = "UPDATING"
    DELETING = "DELETING"
    DELETED = "DELETED"
    FAILED = "FAILED"
    PENDING_SETUP = "PENDING_SETUP"
    PENDING_DELETE = "PENDING_DELETE"


IN_TRANSITION = {Status.CREATING, Status.UPDATING}
BEING_DELETED = {Status.PENDING_DELETE, Status.DELETING, Status.DELETED}


@dataclass(frozen=True, slots=True)
class ClusterId:
    """The parts of a cluster's ARN."""

    region: str
    identifier: str
    account: str
    partition: str = "aws"

    @property
    def arn(self) -> str:
        """ARN of the cluster."""
        return f"arn:{self.partition}:dsql:{self.region}:{self.account}:cluster/{self.identifier}"

    @classmethod
    def parse(cls, arn: str) -> ClusterId:
        """Parse the ARN of a cluster.

        Raises:
            ApiError: it is not the ARN of a cluster.
        """
        match = _ARN.fullmatch(arn)
        if match is None:
            raise validation(f"{arn} is not a cluster ARN", "fieldValidationFailed")
        return cls(match[2], match[4], match[3], f"aws{match[1] or ''}")


@dataclass(slots=True)
class Cluster:
    """A cluster; `peers` are the ARNs that it names, without its own, `ahead` the states that follow."""

    id: ClusterId
    status: Status
    created: float
    protected: bool = False
    witness: str | None = None
    peers: frozenset[str] = frozenset()
    tags: dict[str, str] = field(default_factory=dict)
    ahead: list[Status] = field(default_factory=list)

    @property
    def arn(self) -> str:
        """ARN of the cluster."""
        return self.id.arn

    def set_states(self, *states: Status) -> None:
        """Set the sequence of states: the first is current, the others follow."""
        self.status, *self.ahead = states

    def advance(self) -> None:
        """Advance to the next state, if there is one."""
        if self.ahead:
            self.status = self.ahead.pop(0)

    def summary(self) -> dict[str, object]:
        """Return the members of every response."""
        return {
            "identifier": self.id.identifier,
            "arn": self.arn,
            "status": self.status.value,
            "creationTime": self.created,
        }

    def description(self) -> dict[str, object]:
        """Return the response of GetCluster; a cluster lists itself among its peers (user guide)."""
        described = self.summary() | {
            "deletionProtectionEnabled": self.protected,
            "tags": self.tags,
            "encryptionDetails": {"encryptionType": "AWS_OWNED_KMS_KEY", "encryptionStatus": "ENABLED"},
            "endpoint": f"{self.id.identifier}.dsql.{self.id.region}.on.aws",
        }
        if self.witness is not None:
            listed = sorted({self.arn, *self.peers}) if self.peers else []
            described["multiRegionProperties"] = {"witnessRegion": self.witness, "clusters": listed}
        return described
