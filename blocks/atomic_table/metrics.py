"""CloudWatch metrics of a table, and the recommended alarms on them.

Source: AWS developer guide, "DynamoDB metrics and dimensions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Resource
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from blocks.shared.alarms import make_alarm
from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import Duration

NAMESPACE = "AWS/DynamoDB"
DIMENSION = "TableName"

CONFLICTS = 100
"""Conflicts of transactions in five minutes: retries hide fewer from users."""

FAILED_CONDITIONS = 1_000
"""Failed conditions in five minutes: each is an attempt that was run again, or an error."""

THROTTLED = 1
"""Throttled requests in five minutes: on-demand tables throttle only hot keys and sudden peaks."""

PERIODS = 3
"""Periods of five minutes that must all be above the threshold."""


class TableMetrics(Resource):
    """The metrics of one table."""

    @property
    def table_name(self) -> str:
        """The name of the table."""
        raise NotImplementedError

    def metric(
        self, metric_name: str, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return any metric of this table that has the table as its only dimension.

        Args:
            metric_name: name in CloudWatch, such as `ConsumedWriteCapacityUnits`.
            statistic: statistic such as `Sum` or `p99`. Default: Sum.
            period: period of a value. Default: five minutes.
        """
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=metric_name,
            dimensions_map={DIMENSION: self.table_name},
            statistic=statistic,
            period=period,
        ).attach_to(self)

    def metric_transaction_conflicts(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Return the number of requests that were refused because a transaction on the item was in progress.

        Args:
            period: period of a value. Default: five minutes.
        """
        return self.metric("TransactionConflict", period=period)

    def metric_failed_conditions(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Return the number of failed conditions: the races that `RaceCondition` reports.

        Args:
            period: period of a value. Default: five minutes.
        """
        return self.metric("ConditionalCheckFailedRequests", period=period)

    def recommended_alarms(self, *actions: cloudwatch.IAlarmAction) -> list[cloudwatch.Alarm]:
        """Create alarms on conflicts, failed conditions and throttling; call it once.

        `TableAlarms` has the thresholds. The alarms are children of this construct, such as `table/Alarms/Conflicts`.

        Args:
            actions: actions of each alarm, such as `SnsAction(topic)`; none by default.

        Raises:
            ConstructError: one is no alarm action.
        """
        if not all(hasattr(each, "bind") for each in actions):
            raise ConstructError(
                f"recommended_alarms() of {self.node.path} has an argument that is no alarm action",
                "each action is an argument of its own, and a list or an ARN is none",
                "write recommended_alarms(SnsAction(topic))",
            )
        return TableAlarms(self, "Alarms", metrics=self, actions=actions).all


class TableAlarms(Construct):
    """The alarms of one table; a period without data is not a breach, since an idle table has no data."""

    conflicts: cloudwatch.Alarm
    failed_conditions: cloudwatch.Alarm
    throttled: cloudwatch.Alarm

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        metrics: TableMetrics,
        actions: Sequence[cloudwatch.IAlarmAction] = (),
    ) -> None:
        """Create the alarms.

        Args:
            scope: parent construct, the table.
            id: construct id.
            metrics: metrics of the table.
            actions: actions of each alarm. Default: no actions.
        """
        super().__init__(scope, id)
        name = scope.node.id
        self.conflicts = self._alarm(
            "Conflicts",
            metrics.metric_transaction_conflicts(),
            CONFLICTS,
            f"Transactions on {name} meet others on the same items: spread hot keys, or write fewer items at once",
        )
        self.failed_conditions = self._alarm(
            "FailedConditions",
            metrics.metric_failed_conditions(),
            FAILED_CONDITIONS,
            f"Writers of {name} change the same items: spread hot keys, or use a counter with shards",
        )
        self.throttled = self._alarm(
            "Throttled",
            metrics.metric("WriteThrottleEvents"),
            THROTTLED,
            f"DynamoDB throttles writes to {name}: spread hot keys",
        )
        self.all = [self.conflicts, self.failed_conditions, self.throttled]
        for alarm in self.all:
            alarm.add_alarm_action(*actions)

    def _alarm(
        self, id: str, metric: cloudwatch.IMetric, threshold: float, description: str
    ) -> cloudwatch.Alarm:
        return make_alarm(self, id, metric, threshold, description, periods=PERIODS)
