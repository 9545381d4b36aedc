"""Custom resources: invoke the handler with CloudFormation's event and wait for the response at its URL."""

from __future__ import annotations

import queue
import time
import uuid
from typing import TYPE_CHECKING, TypeAlias, cast

from blocks_cli.assembly.resource_types import is_of_the_cdk
from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, as_strings, mapping, text
from blocks_cli.lambda_.result import InvocationResult
from blocks_cli.local.placeholders import is_placeholder
from blocks_cli.local.resources.handler import HandlerFailedError, ResourceRequest, ResourceResult
from blocks_cli.local.resources.simple import placeholder
from blocks_runtime.contract import variable_prefix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.state import DeployedResource

DEFAULT_TIMEOUT = 3600.0
"""Seconds that CloudFormation waits for a response, without `ServiceTimeout`."""

_Answer: TypeAlias = "dict[str, Json] | InvocationResult"


class CustomResourceHandler:
    """`Custom::…` and `AWS::CloudFormation::CustomResource`."""

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Send Create or Update and wait for the response."""
        arn = text(request.properties.get("ServiceToken"))
        _check_service_token(request, arn)
        if is_of_the_cdk(request.type) or account.functions.get(arn) is None:
            account.note(f"{request.path}: {request.type} was skipped: its handler does not run locally")
            return placeholder(request)
        answer = _invoke_handler(account, arn, request.path, _event(request), _timeout(request.properties))
        if reason := text(answer.get("Reason")):
            account.note(f"{request.path}: {reason}")
        physical_id = text(answer.get("PhysicalResourceId"))
        return ResourceResult(physical_id, mapping(answer.get("Data")))

    def restore(self, resource: DeployedResource, account: LocalAccount) -> Mapping[str, str]:
        """Give the handler the certificate authority of its local cluster."""
        _add_certificate_authority(resource.properties, account)
        return {}

    def delete(self, resource: DeployedResource, account: LocalAccount, *, purge: bool) -> None:
        """Send Delete and wait for the response; with `purge`, an error is only noted."""
        arn = text(resource.properties.get("ServiceToken"))
        if is_placeholder(resource) or account.functions.get(arn) is None:
            return
        event = _delete_event(resource, account)
        try:
            _invoke_handler(account, arn, resource.path, event, _timeout(resource.properties))
        except CommandError as error:
            if not purge:
                raise
            account.note(f"{error.what}: {error.why}")


def _check_service_token(request: ResourceRequest, arn: str) -> None:
    """Refuse another handler for a deployed resource, as CloudFormation does."""
    before = text(request.previous.properties.get("ServiceToken")) if request.previous else arn
    if before != arn:
        raise CommandError(
            f"{request.path} ({request.type}): its handler would change from {before} to {arn}",
            "CloudFormation refuses it: Modifying service token is not allowed",
            "keep the construct id of the handler, or give the custom resource another id",
        )


def _event(request: ResourceRequest) -> dict[str, Json]:
    """Return the request object (CloudFormation user guide, "Custom resource request objects")."""
    event: dict[str, Json] = {
        "RequestType": "Update" if request.previous else "Create",
        "StackId": request.stack_id,
        "LogicalResourceId": request.logical_id,
        "ResourceType": request.type,
        "ResourceProperties": as_strings(dict(request.properties)),
    }
    if request.previous:
        event["PhysicalResourceId"] = request.previous.physical_id
        event["OldResourceProperties"] = as_strings(dict(request.previous.properties))
    return event


def _delete_event(resource: DeployedResource, account: LocalAccount) -> dict[str, Json]:
    return {
        "RequestType": "Delete",
        "StackId": account.stack_id_of(resource),
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type,
        "ResourceProperties": as_strings(dict(resource.properties)),
    }


def _invoke_handler(
    account: LocalAccount, arn: str, path: str, event: dict[str, Json], timeout: float
) -> dict[str, Json]:
    """Send the event and return the handler's response.

    Raises:
        HandlerFailedError: the response is FAILED or invalid, or there is none.
    """
    properties = mapping(event["ResourceProperties"])
    _add_certificate_authority(properties, account)
    answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
    event |= {
        "RequestId": str(uuid.uuid4()),
        "ServiceToken": arn,
        "ResponseURL": account.responses.url(answers.put),
    }
    account.functions.start(arn, event, answers.put)
    answer = _wait(account, arn, answers, timeout)
    if reason := _failure(event, answer):
        raise HandlerFailedError(
            f"{path} ({event['ResourceType']}): {event['RequestType']} failed", reason, _answered_id(answer)
        )
    return cast("dict[str, Json]", answer)


def _wait(account: LocalAccount, arn: str, answers: queue.SimpleQueue[_Answer], timeout: float) -> _Answer:
    """Return the handler's response, or the result of the last invocation if all invocations ended without a response.

    A handler may continue in another invocation of itself, so the end of the first one is not the end.
    """
    deadline = time.monotonic() + timeout
    last: _Answer = {"Status": "FAILED", "Reason": f"no response within {timeout:.0f} s"}
    while (left := deadline - time.monotonic()) > 0:
        try:
            answer = answers.get(timeout=min(left, 0.1 if isinstance(last, InvocationResult) else left))
        except queue.Empty:
            if isinstance(last, InvocationResult) and not account.functions.under_way(arn):
                break
            continue
        if not isinstance(answer, InvocationResult):
            return answer
        last = answer
    return last


def _failure(event: Mapping[str, Json], answer: _Answer) -> str | None:
    """Return the reason why a response means failure, or None."""
    if isinstance(answer, InvocationResult):
        if answer.failed:
            return f"{answer.error_type}: {answer.error_message}"
        return "the handler returned without a response to its ResponseURL"
    if answer.get("Status") != "SUCCESS":
        return text(answer.get("Reason")) or f"the handler responded {dict(answer)}"
    if not answer.get("PhysicalResourceId"):
        return "Invalid PhysicalResourceId: the response has none"
    for key in ("StackId", "RequestId", "LogicalResourceId"):
        if answer.get(key) != event[key]:
            return f"the response's {key} is not that of the request"
    return None


def _answered_id(answer: _Answer) -> str:
    return "" if isinstance(answer, InvocationResult) else text(answer.get("PhysicalResourceId"))


def _timeout(properties: Mapping[str, Json]) -> float:
    return float(text(properties.get("ServiceTimeout")) or DEFAULT_TIMEOUT)


def _add_certificate_authority(properties: Mapping[str, Json], account: LocalAccount) -> None:
    """Give the handler the CA of the local cluster in its properties `Database` and `Endpoint`."""
    database, endpoint = text(properties.get("Database")), text(properties.get("Endpoint"))
    authority = account.clusters.ca_files().get(endpoint)
    if database and authority:
        variable = f"{variable_prefix(database)}_CA"
        account.add_environment(text(properties.get("ServiceToken")), {variable: authority})
