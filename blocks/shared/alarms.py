"""Alarms of a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_cloudwatch as cloudwatch

if TYPE_CHECKING:
    from constructs import Construct


def make_alarm(
    scope: Construct,
    id: str,
    metric: cloudwatch.IMetric,
    threshold: float,
    description: str,
    *,
    periods: int,
) -> cloudwatch.Alarm:
    """Create an alarm for values of at least `threshold` in `periods` periods; one without data is not a breach."""
    return cloudwatch.Alarm(
        scope,
        id,
        metric=metric,
        threshold=threshold,
        evaluation_periods=periods,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        alarm_description=description,
    )
