"""A check, its subject and its finding."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_dsql.conformance.session import ClusterUnderTest


class Verdict(enum.Enum):
    """Result of a check."""

    HOLDS = "holds"
    """The cluster answered as this release claims."""
    DIFFERS = "differs"
    """It answered otherwise: the release is wrong, or DSQL has changed."""
    MEASURED = "measured"
    """A figure, about which this release claims nothing."""
    UNSETTLED = "not settled"
    """The answer does not tell, such as a metric without a value yet."""
    FAILED = "could not be asked"
    """The check itself failed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a check: verdict, answer of the cluster, and claim of this release, both as text for people."""

    verdict: Verdict
    answer: str
    claim: str = ""


class Unavailable(Exception):
    """A check needs something that this run does not have, such as a second Region; the argument says what."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Subject of the checks: the cluster, a local one whose answers are the claims, and on AWS the stack.

    `client` returns boto3's client for a service and a Region. `outputs` are those of the stack. `peer` is the endpoint
    in the second Region.
    """

    cluster: ClusterUnderTest = field(repr=False)
    local: ClusterUnderTest = field(repr=False)
    account: str = "000000000000"
    region: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    client: Callable[[str, str], Any] | None = None
    peer: ClusterUnderTest | None = field(default=None, repr=False)
    peer_region: str = ""

    def aws(self, service: str, region: str = "") -> Any:
        """Return a client.

        Raises:
            Unavailable: the run has no stack on AWS.
        """
        if self.client is None:
            raise Unavailable("there is no stack on AWS in this run")
        return self.client(service, region or self.region)


@dataclass(frozen=True, slots=True)
class Check:
    """One claim: its name, what the check would prove, the divergences that it settles, and how to ask."""

    id: str
    proves: str
    run: Callable[[Subject], Finding] = field(repr=False)
    settles: tuple[str, ...] = ()


def compared(answer: str, claim: str) -> Finding:
    """Return that the answer holds if it is equal to the claim, else that it differs."""
    return Finding(Verdict.HOLDS if answer == claim else Verdict.DIFFERS, answer, claim)
