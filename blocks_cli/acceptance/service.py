"""Checks of the services around the database on AWS: functions, layer, metrics, PrivateLink, peering."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

from blocks_cli.acceptance.check import Check, Finding, Unavailable, Verdict, compared

if TYPE_CHECKING:
    from blocks_cli.acceptance.check import Subject

_INIT = re.compile(r"Init Duration: ([0-9.]+) ms")


def invoke(subject: Subject, function: str, event: dict[str, str]) -> tuple[Any, str]:
    """Return what a function of the stack returned, or its error, and the tail of its log."""
    answer = subject.aws("lambda").invoke(
        FunctionName=subject.outputs[function], LogType="Tail", Payload=json.dumps(event)
    )
    log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
    return json.loads(answer["Payload"].read()), log


def cold_start(subject: Subject) -> Finding:
    """Invoke a function for the first time, and read the duration of its start from the log."""
    result, log = invoke(subject, "Writer", {"note": "cold start"})
    if "count" not in result:
        return Finding(Verdict.DIFFERS, str(result), "the function inserts and counts a row")
    seconds = f"{result['seconds_since_import']:.2f} s from its import to the first rows"
    init = _INIT.search(log)
    if init is None:
        return Finding(Verdict.UNSETTLED, f"the log has no Init Duration; {seconds}")
    return Finding(Verdict.MEASURED, f"{init[1]} ms to start, {seconds}")


def grants(subject: Subject) -> Finding:
    """Read with both functions, and let the one with read-only access try to write."""
    subject_reads, _ = invoke(subject, "Reader", {})
    refused, _ = invoke(subject, "Reader", {"note": "must fail"})
    read = "reads" if "count" in subject_reads else f"cannot read: {subject_reads}"
    wrote = "permission denied" if "permission denied" in str(refused) else f"not refused: {refused}"
    return compared(f"{read}; write: {wrote}", "reads; write: permission denied")


def layer(subject: Subject) -> Finding:
    """Read the size of the runtime layer from Lambda."""
    found = subject.aws("lambda").get_function_configuration(FunctionName=subject.outputs["Writer"])
    sizes = [int(each["CodeSize"]) for each in found.get("Layers", ())]
    if len(sizes) != 1:
        return Finding(Verdict.DIFFERS, f"{len(sizes)} layers", "one layer")
    return Finding(Verdict.MEASURED, f"{sizes[0] / 1e6:.1f} MB, zipped")


def metrics(subject: Subject) -> Finding:
    """List the metrics that have the cluster's identifier, and the names of their dimension."""
    pages = subject.aws("cloudwatch").get_paginator("list_metrics")
    identifier = subject.outputs["Identifier"]
    names: dict[str, set[str]] = {}
    for page in pages.paginate(Namespace=subject.outputs["MetricNamespace"]):
        for metric in page["Metrics"]:
            for dimension in metric["Dimensions"]:
                if dimension["Value"] == identifier:
                    names.setdefault(dimension["Name"], set()).add(metric["MetricName"])
    if not names:
        return Finding(
            Verdict.UNSETTLED, "no metric of the cluster after this time; ask again in some minutes"
        )
    claim = subject.outputs["MetricDimension"]
    answer = "; ".join(f"{name}: {', '.join(sorted(metrics))}" for name, metrics in sorted(names.items()))
    return Finding(Verdict.HOLDS if set(names) == {claim} else Verdict.DIFFERS, answer, claim)


def private_link(subject: Subject) -> Finding:
    """Look up the endpoint service of the cluster in DSQL and in EC2."""
    found = subject.aws("dsql").get_vpc_endpoint_service_name(identifier=subject.outputs["Identifier"])
    name = found["serviceName"]
    services = subject.aws("ec2").describe_vpc_endpoint_services(ServiceNames=[name])["ServiceDetails"]
    if not services:
        return Finding(Verdict.DIFFERS, f"EC2 does not offer {name}", "an interface endpoint service")
    kinds = {each["ServiceType"] for service in services for each in service["ServiceType"]}
    private = sorted(
        each["PrivateDnsName"] for service in services for each in service.get("PrivateDnsNames", ())
    )
    host = str(found.get("clusterVpcEndpoint", ""))
    covered = any(host.endswith(name.removeprefix("*")) for name in private)
    answer = (
        f"{', '.join(sorted(kinds))}; private names {', '.join(private) or 'none'}; host {host or 'none'}"
    )
    holds = kinds == {"Interface"} and covered
    return Finding(
        Verdict.HOLDS if holds else Verdict.DIFFERS, answer, "Interface, with a private name for the host"
    )


def peering(subject: Subject) -> Finding:
    """Read both clusters: the peering function's permissions sufficed, the ARN of PutWitnessRegion among them."""
    if not subject.peer_region:
        raise Unavailable("this run has one Region; pass --peer and --witness")
    home = subject.aws("dsql").get_cluster(identifier=subject.outputs["Identifier"])
    other = next(arn for arn in home["multiRegionProperties"]["clusters"] if arn != home["arn"])
    peer = subject.aws("dsql", subject.peer_region).get_cluster(identifier=other.rpartition("/")[2])
    named = home["arn"] in peer["multiRegionProperties"]["clusters"]
    answer = f"{home['status']} and {peer['status']}, {'each names the other' if named else 'not peered'}"
    return compared(answer, "ACTIVE and ACTIVE, each names the other")


CHECKS = (
    Check("cold-start", "the time of a cold start, and of the first rows in it", cold_start),
    Check("grants", "a read-only grant reads and is refused a write", grants),
    Check("layer-size", "Lambda accepts the layer, and its size", layer),
    Check("private-link", "the endpoint service of the cluster, and its private host name", private_link),
    Check(
        "peering",
        "the permissions of the peering function suffice, PutWitnessRegion's ARNs among them",
        peering,
    ),
    Check("metric-dimension", "the dimension of the metrics in CloudWatch", metrics),
)
