"""Status of a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from blocks_runtime.signing import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.control.protocol import Json


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """Status of a server: process, options, and the port of each Region.

    `job_delay` are the seconds of `LocalCluster.delay_jobs`.
    `moved_ports` are the usual ports of Regions that have another one, because other programs use them.
    """

    pid: int
    identifier: str
    dialect: str
    commit_latency: float
    ports: Mapping[str, int]
    stopped_regions: tuple[str, ...]
    admin: Credentials
    moved_ports: Mapping[str, int]
    job_delay: float

    def moves(self) -> list[str]:
        """Return a sentence for each Region whose usual port another program has."""
        return [
            f"{region} has port {self.ports[region]} until the next start: another program uses its port {usual}"
            for region, usual in self.moved_ports.items()
        ]

    @classmethod
    def read(cls, answer: Json) -> ClusterStatus:
        """Decode a status from the control protocol."""
        return cls(
            pid=cast("int", answer["pid"]),
            identifier=cast("str", answer["identifier"]),
            dialect=cast("str", answer["dialect"]),
            commit_latency=cast("float", answer["commit_latency"]),
            ports=cast("dict[str, int]", answer["ports"]),
            stopped_regions=tuple(cast("list[str]", answer["stopped_regions"])),
            moved_ports=cast("dict[str, int]", answer["moved_ports"]),
            job_delay=cast("float", answer["job_delay"]),
            admin=Credentials(**cast("dict[str, str]", answer["admin"])),
        )
