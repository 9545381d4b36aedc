"""The checks around the database, with boto3's answers from botocore's stubber."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from blocks_cli.acceptance import service
from blocks_cli.acceptance.check import Finding, Subject, Verdict
from local_dsql.conformance.session import ClusterUnderTest

if TYPE_CHECKING:
    from collections.abc import Callable

NOWHERE = ClusterUnderTest("", local=False)
IDENTIFIER = "abcdefghijklmnopqrstuvwxyz"
OUTPUTS = {
    "Identifier": IDENTIFIER,
    "Writer": "writer",
    "Reader": "reader",
    "MetricNamespace": "AWS/AuroraDSQL",
    "MetricDimension": "ClusterId",
}
HOME, PEER = (
    f"arn:aws:dsql:{region}:123456789012:cluster/{IDENTIFIER}" for region in ("us-east-1", "us-east-2")
)

Answers = list[tuple[str, str, dict[str, Any]]]
"""Service, operation and answer of each expected call."""


def metric(dimension: str, value: str = IDENTIFIER) -> dict[str, Any]:
    return {
        "Namespace": "AWS/AuroraDSQL",
        "MetricName": "OccConflicts",
        "Dimensions": [{"Name": dimension, "Value": value}],
    }


def invocation(result: object, log: str = "") -> tuple[str, str, dict[str, Any]]:
    payload = io.BytesIO(json.dumps(result).encode())
    return (
        "lambda",
        "invoke",
        {"StatusCode": 200, "Payload": payload, "LogResult": base64.b64encode(log.encode()).decode()},
    )


def link(host: str, private: str) -> Answers:
    name = "com.amazonaws.vpce.us-east-1.vpce-svc-0123"
    detail = {
        "ServiceName": name,
        "ServiceType": [{"ServiceType": "Interface"}],
        "PrivateDnsNames": [{"PrivateDnsName": private}],
    }
    return [
        ("dsql", "get_vpc_endpoint_service_name", {"serviceName": name, "clusterVpcEndpoint": host}),
        ("ec2", "describe_vpc_endpoint_services", {"ServiceDetails": [detail]}),
    ]


def cluster(arn: str, status: str, peers: list[str]) -> tuple[str, str, dict[str, Any]]:
    return (
        "dsql",
        "get_cluster",
        {
            "identifier": IDENTIFIER,
            "arn": arn,
            "status": status,
            "creationTime": 0,
            "deletionProtectionEnabled": False,
            "multiRegionProperties": {"witnessRegion": "us-west-2", "clusters": peers},
        },
    )


def metrics(dimension: str, value: str = IDENTIFIER) -> Answers:
    return [("cloudwatch", "list_metrics", {"Metrics": [metric(dimension, value)]})]


def layers(*sizes: int) -> Answers:
    found = [{"Arn": "arn:aws:lambda:us-east-1:123456789012:layer:x:1", "CodeSize": size} for size in sizes]
    return [("lambda", "get_function_configuration", {"Layers": found})]


def pair(status: str, peers: list[str]) -> Answers:
    return [cluster(HOME, "ACTIVE", [HOME, PEER]), cluster(PEER, status, peers)]


COUNT = {"count": 1, "seconds_since_import": 0.5}
REFUSED = {"errorMessage": "permission denied for table events"}
REPORT = "REPORT RequestId: 1 Duration: 5.1 ms Init Duration: 321.45 ms"
VPC_HOST = "x.dsql-fnh4.us-east-1.on.aws"

CASES: list[tuple[Callable[[Subject], Finding], Answers, Verdict, str]] = [
    (service.metrics, metrics("ClusterId"), Verdict.HOLDS, "ClusterId"),
    (service.metrics, metrics("ResourceId"), Verdict.DIFFERS, "ResourceId"),
    (service.metrics, metrics("ClusterId", "another"), Verdict.UNSETTLED, "no metric"),
    (service.cold_start, [invocation(COUNT, REPORT)], Verdict.MEASURED, "321.45 ms"),
    (service.cold_start, [invocation(COUNT)], Verdict.UNSETTLED, "no Init Duration"),
    (service.cold_start, [invocation({"errorMessage": "no"})], Verdict.DIFFERS, "no"),
    (service.grants, [invocation(COUNT), invocation(REFUSED)], Verdict.HOLDS, "permission denied"),
    (service.grants, [invocation(COUNT), invocation(COUNT)], Verdict.DIFFERS, "not refused"),
    (service.layer, layers(4_190_000), Verdict.MEASURED, "4.2 MB"),
    (service.layer, layers(), Verdict.DIFFERS, "0 layers"),
    (service.private_link, link(VPC_HOST, "*.dsql-fnh4.us-east-1.on.aws"), Verdict.HOLDS, "Interface"),
    (service.private_link, link(VPC_HOST, "*.other.on.aws"), Verdict.DIFFERS, "*.other.on.aws"),
    (service.peering, pair("ACTIVE", [HOME, PEER]), Verdict.HOLDS, "each names"),
    (service.peering, pair("PENDING_SETUP", []), Verdict.DIFFERS, "not peered"),
]


@pytest.mark.parametrize(("asked", "answers", "verdict", "words"), CASES)
def test_verdicts(
    asked: Callable[[Subject], Finding], answers: Answers, verdict: Verdict, words: str
) -> None:
    clients = {
        name: boto3.client(name, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        for name, _, _ in answers
    }
    stubs = {name: Stubber(each) for name, each in clients.items()}
    for name, operation, answer in answers:
        stubs[name].add_response(operation, answer)
    for each in stubs.values():
        each.activate()
    subject = Subject(
        NOWHERE,
        NOWHERE,
        "123456789012",
        "us-east-1",
        OUTPUTS,
        lambda name, _: clients[name],
        peer_region="us-east-2",
    )
    found = asked(subject)
    assert found.verdict is verdict, found
    assert words in found.answer
    for each in stubs.values():
        each.assert_no_pending_responses()
