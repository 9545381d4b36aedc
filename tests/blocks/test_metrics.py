"""Metrics by their names in CloudWatch, ready for alarms and dashboards."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch

from blocks import DistributedDatabase
from blocks.database.metrics import ClusterMetrics
from tests.support.template_reader import Json, Template

if TYPE_CHECKING:
    from blocks import IDistributedDatabase

# AWS user guide, "Monitoring Aurora DSQL with Amazon CloudWatch"; counts are summed, the rest as it is measured.
NAMED = {
    "metric_total_transactions": ("TotalTransactions", "Sum"),
    "metric_read_only_transactions": ("ReadOnlyTransactions", "Sum"),
    "metric_occ_conflicts": ("OccConflicts", "Sum"),
    "metric_query_timeouts": ("QueryTimeouts", "Sum"),
    "metric_commit_latency": ("CommitLatency", "Average"),
    "metric_bytes_read": ("BytesRead", "Sum"),
    "metric_bytes_written": ("BytesWritten", "Sum"),
    "metric_compute_time": ("ComputeTime", "Sum"),
    "metric_cluster_storage_size": ("ClusterStorageSize", "Maximum"),
    "metric_total_dpu": ("TotalDPU", "Sum"),
    "metric_read_dpu": ("ReadDPU", "Sum"),
    "metric_write_dpu": ("WriteDPU", "Sum"),
    "metric_multi_region_write_dpu": ("MultiRegionWriteDPU", "Sum"),
    "metric_compute_dpu": ("ComputeDPU", "Sum"),
}


@pytest.fixture(scope="module")
def shared(assembly: str) -> cdk.Stack:
    return cdk.Stack(cdk.App(outdir=str(assembly)), "Metrics")


@pytest.fixture(scope="module")
def db(shared: cdk.Stack) -> IDistributedDatabase:
    return DistributedDatabase.from_cluster_identifier(shared, "main", "abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize(("method", "name", "statistic"), [(key, *value) for key, value in NAMED.items()])
def test_named(db: IDistributedDatabase, method: str, name: str, statistic: str) -> None:
    metric = getattr(db, method)()
    assert (metric.namespace, metric.metric_name, metric.statistic) == ("AWS/AuroraDSQL", name, statistic)
    assert metric.dimensions == {"ClusterId": db.cluster_identifier}
    other = getattr(db, method)(statistic="Minimum", period=cdk.Duration.minutes(1), label="x")
    assert (other.statistic, other.period.to_seconds(), other.label) == ("Minimum", 60, "x")


def test_every_metric_method_is_in_the_table() -> None:
    methods = {name for name, _ in inspect.getmembers(ClusterMetrics, inspect.isfunction)}
    named = {name for name in methods if name.startswith("metric_")}
    assert named == {*NAMED, "metric_occ_conflict_rate"}


def test_any_metric_by_its_name_and_dimension(db: IDistributedDatabase) -> None:
    metric = db.metric("SomethingNew", dimensions_map={"ResourceId": "x"})
    assert (metric.metric_name, metric.statistic) == ("SomethingNew", "Average")
    assert metric.dimensions == {"ResourceId": "x"}


def test_alarms_and_dashboards_take_them(stack: cdk.Stack) -> None:
    db = DistributedDatabase(stack, "main")
    db.metric_occ_conflict_rate(period=cdk.Duration.minutes(1)).create_alarm(
        stack, "Conflicts", threshold=5, evaluation_periods=3
    )
    db.metric_query_timeouts().create_alarm(stack, "Timeouts", threshold=1, evaluation_periods=1)
    cloudwatch.Dashboard(stack, "Board").add_widgets(*db.dashboard_widgets())
    template = Template.of(stack)
    alarms = {id: template.resources[id]["Properties"] for id in template.ids("AWS::CloudWatch::Alarm")}
    (timeouts,) = [alarm for alarm in alarms.values() if alarm.get("MetricName") == "QueryTimeouts"]
    assert timeouts["Dimensions"] == [
        {"Name": "ClusterId", "Value": {"Fn::GetAtt": ["main7AD10839", "Identifier"]}}
    ]
    (rate,) = [alarm for alarm in alarms.values() if "Metrics" in alarm]
    assert rate["Metrics"][0]["Expression"] == "100 * conflicts / transactions"
    body: Json = template.the("AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"]
    text = "".join(part for part in body["Fn::Join"][1] if isinstance(part, str))
    for name, _ in NAMED.values():
        assert (f'"{name}"' in text) == (name not in ("ComputeTime", "TotalDPU")), name
