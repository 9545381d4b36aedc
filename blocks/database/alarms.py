"""Recommended alarms of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aws_cdk import Size
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from blocks.shared.alarms import make_alarm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import Duration

CONFLICTS = 5
"""Percentage of transactions with a conflict: retries hide a lower one from users."""

TIMEOUTS = 1
"""Queries that ended at the time limit of a transaction: each is a failed request."""

LATENCY = 200
"""Milliseconds of the median COMMIT: several round trips between Availability Zones, or one between Regions."""

STORAGE = Size.tebibytes(8)
"""Size of the cluster: four fifths of the default quota of 10 TiB (AWS user guide, "Cluster quotas")."""

PERIODS = 3
"""Periods of five minutes that must all be above the threshold."""


class AlarmMetrics(Protocol):
    """The metrics that the alarms are on."""

    def metric_occ_conflict_rate(self, *, period: Duration | None = None) -> cloudwatch.MathExpression:
        """Return the percentage of transactions with a conflict."""

    def metric_query_timeouts(self) -> cloudwatch.Metric:
        """Return the number of queries that ended at the time limit."""

    def metric_commit_latency(self) -> cloudwatch.Metric:
        """Return the median time of a COMMIT."""

    def metric_cluster_storage_size(self) -> cloudwatch.Metric:
        """Return the size of the cluster in bytes."""


class Alarms(Construct):
    """The alarms of one cluster; a period without data is not a breach, since an idle cluster has no data."""

    conflicts: cloudwatch.Alarm
    timeouts: cloudwatch.Alarm
    latency: cloudwatch.Alarm
    storage: cloudwatch.Alarm

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        metrics: AlarmMetrics,
        actions: Sequence[cloudwatch.IAlarmAction] = (),
    ) -> None:
        """Create the alarms.

        Args:
            scope: parent construct, the database.
            id: construct id.
            metrics: metrics of the cluster.
            actions: actions of each alarm. Default: no actions.
        """
        super().__init__(scope, id)
        database = scope.node.id
        self.conflicts = self._alarm(
            "Conflicts",
            metrics.metric_occ_conflict_rate(),
            CONFLICTS,
            f"Over {CONFLICTS} % of the transactions of {database} conflict with another one: spread hot keys",
        )
        self.timeouts = self._alarm(
            "Timeouts",
            metrics.metric_query_timeouts(),
            TIMEOUTS,
            f"Queries of {database} reach the time limit of a transaction: make them smaller, or add an index",
        )
        self.latency = self._alarm(
            "CommitLatency",
            metrics.metric_commit_latency(),
            LATENCY,
            f"The median COMMIT of {database} takes over {LATENCY} ms",
        )
        self.storage = self._alarm(
            "StorageSize",
            metrics.metric_cluster_storage_size(),
            STORAGE.to_bytes(),
            f"{database} is larger than 8 TiB: request a higher quota than the default of 10 TiB",
        )
        self.all = [self.conflicts, self.timeouts, self.latency, self.storage]
        for alarm in self.all:
            alarm.add_alarm_action(*actions)

    def _alarm(
        self, id: str, metric: cloudwatch.IMetric, threshold: float, description: str
    ) -> cloudwatch.Alarm:
        return make_alarm(self, id, metric, threshold, description, periods=PERIODS)
