"""CloudWatch metrics of a cluster, for alarms and dashboards.

Source: AWS user guide, "Monitoring Aurora DSQL with Amazon CloudWatch". It does not name the dimension; the
CloudWatch console lists these metrics by `ClusterId`. `dimensions_map=` overrides it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

from aws_cdk import Resource
from aws_cdk import aws_cloudwatch as cloudwatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import Duration

NAMESPACE = "AWS/AuroraDSQL"
DIMENSION = "ClusterId"


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
        """Return the median time of a COMMIT in milliseconds, averaged over the period."""
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
