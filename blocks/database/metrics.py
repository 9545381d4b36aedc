"""CloudWatch metrics of a cluster, for alarms and dashboards.

Sources: AWS user guide, "Monitoring Aurora DSQL with Amazon CloudWatch"; its page on billing, which has the dimension
`ClusterId`; and "Monitoring streams", whose metrics also have `StreamId`. `dimensions_map=` overrides the dimensions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

from aws_cdk import Resource
from aws_cdk import aws_cloudwatch as cloudwatch

from blocks.database.alarms import Alarms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import Duration

NAMESPACE = "AWS/AuroraDSQL"
DIMENSION = "ClusterId"
STREAM = "StreamId"

_FUNCTIONS = {"Average": "AVG", "Maximum": "MAX", "Minimum": "MIN", "SampleCount": "COUNT", "Sum": "SUM"}
"""Functions of Metrics Insights by statistic."""


class MetricOptions(TypedDict, total=False):
    """Options of every metric method, named as in CDK; omitted ones have CDK's defaults."""

    period: Duration
    """Period of a value. Default: five minutes."""
    statistic: str
    """Statistic such as `Sum`, `Average` or `p99`. Default: depends on the metric."""
    label: str
    color: str
    unit: cloudwatch.Unit
    dimensions_map: Mapping[str, str]
    """Default: the cluster's identifier."""
    account: str
    region: str


class ClusterMetrics(Resource):
    """The metrics of one cluster; each method takes `MetricOptions` by name."""

    @property
    def cluster_identifier(self) -> str:
        """The identifier of the cluster: 26 characters."""
        raise NotImplementedError

    def metric(self, metric_name: str, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return any metric of this cluster by its name in CloudWatch; the default statistic is the average."""
        dimensions = {"dimensions_map": {DIMENSION: self.cluster_identifier}}
        metric = cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=metric_name,
            **(dimensions | options),  # type: ignore[arg-type]
        )
        return metric.attach_to(self)

    def metric_total_transactions(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the number of transactions, including read-only ones."""
        return self._sum("TotalTransactions", options)

    def metric_read_only_transactions(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the number of transactions that only read."""
        return self._sum("ReadOnlyTransactions", options)

    def metric_occ_conflicts(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the number of transactions that failed with a conflict (40001, OC000)."""
        return self._sum("OccConflicts", options)

    def metric_query_timeouts(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the number of queries that ended at the time limit of a transaction."""
        return self._sum("QueryTimeouts", options)

    def metric_commit_latency(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the median (P50) time of a COMMIT in milliseconds, averaged over the period."""
        return self.metric("CommitLatency", **options)

    def metric_bytes_read(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the bytes read from storage."""
        return self._sum("BytesRead", options)

    def metric_bytes_written(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the bytes written to storage."""
        return self._sum("BytesWritten", options)

    def metric_compute_time(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the time of the query processors, in milliseconds."""
        return self._sum("ComputeTime", options)

    def metric_cluster_storage_size(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the size of the cluster in bytes, the largest of the period."""
        return self.metric("ClusterStorageSize", **({"statistic": "Maximum"} | options))

    def metric_total_dpu(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the billed distributed processing units."""
        return self._sum("TotalDPU", options)

    def metric_read_dpu(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the units for reading."""
        return self._sum("ReadDPU", options)

    def metric_write_dpu(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the units for writing."""
        return self._sum("WriteDPU", options)

    def metric_multi_region_write_dpu(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the units for writing to the other Region."""
        return self._sum("MultiRegionWriteDPU", options)

    def metric_compute_dpu(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the units for computing."""
        return self._sum("ComputeDPU", options)

    def metric_stream_dpu(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the units for change data capture."""
        return self._sum("StreamDPU", options)

    def metric_bytes_streamed(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the bytes that change data capture streamed."""
        return self._sum("BytesStreamed", options)

    def metric_stream_is_impaired(
        self, stream_id: str, **options: Unpack[MetricOptions]
    ) -> cloudwatch.Metric:
        """Return 1 while a change data capture stream cannot deliver a record, else 0."""
        return self._of_stream("IsImpaired", "Maximum", stream_id, options)

    def metric_stream_lag(self, stream_id: str, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return the lag of a stream behind its source, the longest of the period."""
        return self._of_stream("BehindSourceLag", "Maximum", stream_id, options)

    def metric_stream_published_bytes(
        self, stream_id: str, **options: Unpack[MetricOptions]
    ) -> cloudwatch.Metric:
        """Return the bytes that a stream published."""
        return self._of_stream("PublishedBytes", "Sum", stream_id, options)

    def metric_stream_published_records(
        self, stream_id: str, **options: Unpack[MetricOptions]
    ) -> cloudwatch.Metric:
        """Return the records that a stream published."""
        return self._of_stream("PublishedRecords", "Sum", stream_id, options)

    @staticmethod
    def metric_all(
        metric_name: str, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.MathExpression:
        """Return a metric over all clusters of the account and Region, as a Metrics Insights query.

        Args:
            metric_name: name in CloudWatch, such as `TotalTransactions`.
            statistic: Average, Maximum, Minimum, SampleCount or Sum. Default: Sum.
            period: period of a value. Default: five minutes.
        """
        function = _FUNCTIONS[statistic]
        source = f'FROM SCHEMA("{NAMESPACE}", {DIMENSION})'
        query = f"SELECT {function}({metric_name}) {source}"
        return cloudwatch.MathExpression(
            expression=query, label=f"{metric_name}, all clusters", period=period
        )

    def recommended_alarms(self, *actions: cloudwatch.IAlarmAction) -> list[cloudwatch.Alarm]:
        """Create alarms on conflicts, timeouts, commit latency and size; call it once.

        `Alarms` has the thresholds. The alarms are children of this construct, such as `db/Alarms/Conflicts`.

        Args:
            actions: actions of each alarm, such as `SnsAction(topic)`; none by default.
        """
        return Alarms(self, "Alarms", metrics=self, actions=actions).all

    def metric_occ_conflict_rate(self, *, period: Duration | None = None) -> cloudwatch.MathExpression:
        """Return the percentage of transactions with a conflict; no value while there are no transactions.

        Args:
            period: period of a value. Default: five minutes.
        """
        return cloudwatch.MathExpression(
            expression="100 * conflicts / transactions",
            using_metrics={
                "conflicts": self.metric_occ_conflicts(),
                "transactions": self.metric_total_transactions(),
            },
            label="OCC conflicts, %",
            period=period,
        )

    def dashboard_widgets(self) -> list[cloudwatch.IWidget]:
        """Return a row of graphs: transactions, commit latency, bytes, cost and size.

        `dashboard.add_widgets(*db.dashboard_widgets())` shows them in two rows of 24 columns.
        """
        graphs = {
            "Transactions": [self.metric_total_transactions(), self.metric_read_only_transactions()],
            "Conflicts and timeouts": [self.metric_occ_conflicts(), self.metric_query_timeouts()],
            "Commit latency, median, ms": [self.metric_commit_latency()],
            "Storage traffic, bytes": [self.metric_bytes_read(), self.metric_bytes_written()],
            "Distributed processing units": [
                *(self.metric_read_dpu(), self.metric_write_dpu()),
                *(self.metric_multi_region_write_dpu(), self.metric_compute_dpu()),
            ],
            "Size, bytes": [self.metric_cluster_storage_size()],
        }
        return [
            cloudwatch.GraphWidget(
                title=f"{self.node.id}: {title}",
                left=list(metrics),
                left_y_axis=cloudwatch.YAxisProps(min=0),
                stacked=title.startswith("Distributed"),
                width=8,
            )
            for title, metrics in graphs.items()
        ]

    def _sum(self, name: str, options: MetricOptions) -> cloudwatch.Metric:
        return self.metric(name, **({"statistic": "Sum"} | options))

    def _of_stream(
        self, name: str, statistic: str, stream_id: str, options: MetricOptions
    ) -> cloudwatch.Metric:
        dimensions = {DIMENSION: self.cluster_identifier, STREAM: stream_id}
        defaults = MetricOptions(statistic=statistic, dimensions_map=dimensions)
        return self.metric(name, **(defaults | options))
