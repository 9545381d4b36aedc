"""MiniStack with two more resource types, and with the local DSQL behind its clusters. Runs in MiniStack's environment.

MiniStack has DSQL's control plane, but neither `AWS::DSQL::Cluster` nor `AWS::IAM::RolePolicy` in CloudFormation. They
are added here over MiniStack's own operations. `Fn::GetStackOutput` gets its Region, and requests to DSQL the ARN of
their cluster. No other part of CloudFormation, IAM or Lambda is changed.

`LOCAL_DSQL` is the URL of `local_clusters.py`. It is told each cluster, and before each invocation of a function the
role with its session credentials and policies, so that the local DSQL checks `dsql:DbConnect` as AWS does.
"""

from __future__ import annotations

import json
import os
import urllib.request
from functools import partial
from typing import TYPE_CHECKING, Any

from ministack import app
from ministack.core import iam_actions, lambda_runtime, responses
from ministack.services import dsql, iam, lambda_svc
from ministack.services.cloudformation import engine, provisioners

if TYPE_CHECKING:
    from collections.abc import Callable

Properties = dict[str, Any]
Created = tuple[str, dict[str, Any]]

_SEPARATOR = "|"


def tell(path: str, message: dict[str, object]) -> dict[str, Any]:
    """Send a message to the local DSQL's side, and return its answer."""
    url = f"{os.environ['LOCAL_DSQL']}/{path}"
    request = urllib.request.Request(url, data=json.dumps(message).encode())
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.loads(response.read())
        return answer


def _result(response: Any) -> dict[str, Any]:
    status, _, body = response
    answer: dict[str, Any] = json.loads(body)
    if status >= 400:
        raise ValueError(f"AWS::DSQL::Cluster: {answer.get('message')}")
    return answer


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _multi_region(properties: Properties) -> dict[str, object]:
    given = properties.get("MultiRegionProperties")
    if not given:
        return {}
    named = {"witnessRegion": given.get("WitnessRegion"), "clusters": given.get("Clusters")}
    return {"multiRegionProperties": {name: value for name, value in named.items() if value}}


def _attributes(identifier: str) -> Created:
    cluster = _result(dsql._get_cluster(identifier))
    region = cluster["arn"].split(":")[3]
    place = tell("cluster", {"identifier": identifier, "arn": cluster["arn"], "region": region})
    dsql._clusters[identifier]["endpoint"] = place["endpoint"]  # for GetCluster
    return identifier, {
        "Identifier": identifier,
        "ResourceArn": cluster["arn"],
        "Endpoint": place["endpoint"],
        "Status": cluster["status"],
    }


def create_cluster(logical_id: str, properties: Properties, stack: str) -> Created:
    """Create a cluster with CreateCluster."""
    protected = _is_true(properties.get("DeletionProtectionEnabled", True))
    request = {"deletionProtectionEnabled": protected} | _multi_region(properties)
    return _attributes(_result(dsql._create_cluster(request))["identifier"])


def update_cluster(identifier: str, old: Properties, new: Properties, stack: str) -> Created:
    """Change what differs with UpdateCluster, as the resource type does: nothing else is touched."""
    request: dict[str, object] = {}
    if old.get("DeletionProtectionEnabled") != new.get("DeletionProtectionEnabled"):
        request["deletionProtectionEnabled"] = _is_true(new.get("DeletionProtectionEnabled", True))
    if old.get("MultiRegionProperties") != new.get("MultiRegionProperties"):
        request |= _multi_region(new)
    if request:
        _result(dsql._update_cluster(identifier, request))
    return _attributes(identifier)


def delete_cluster(identifier: str, properties: Properties) -> None:
    """Delete a cluster; one that is gone is deleted."""
    if dsql._get_cluster(identifier)[0] != 404:
        _result(dsql._delete_cluster(identifier, {}))


def _put(properties: Properties) -> str:
    role, name = properties["RoleName"], properties["PolicyName"]
    document = json.dumps(properties["PolicyDocument"])
    status, _, body = iam._put_role_policy({"RoleName": role, "PolicyName": name, "PolicyDocument": document})
    if status >= 400:
        raise ValueError(f"AWS::IAM::RolePolicy: {body!r}")
    return f"{name}{_SEPARATOR}{role}"


def create_role_policy(logical_id: str, properties: Properties, stack: str) -> Created:
    """Put an inline policy of one role."""
    return _put(properties), {}


def update_role_policy(physical_id: str, old: Properties, new: Properties, stack: str) -> Created:
    """Put it again. Another role or name is another physical id, so that CloudFormation deletes the old one later."""
    return _put(new), {}


def delete_role_policy(physical_id: str, properties: Properties) -> None:
    """Delete an inline policy; it is gone already if its role is."""
    name, _, role = physical_id.partition(_SEPARATOR)
    iam._delete_role_policy({"RoleName": role, "PolicyName": name})


def announce(function: dict[str, Any]) -> None:
    """Tell the role of a function, with the credentials and policies that it has now."""
    config = function.get("config") or function
    name = config["Role"].rpartition("/")[2]
    documents = (iam._roles.get(name) or {}).get("InlinePolicies", {}).values()
    tell(
        "identity",
        {
            "function": config["FunctionName"],
            "arn": config["Role"],
            "credentials": lambda_runtime.execution_credentials(config),
            "policies": [json.loads(each) if isinstance(each, str) else each for each in documents],
        },
    )


def resolve_in_region(resolve: Callable[..., Any], value: Any, *context: Any, **options: Any) -> Any:
    """Resolve `Fn::GetStackOutput` in the Region that it names; MiniStack looks in that of the stack alone."""
    named = value.get("Fn::GetStackOutput", {}) if isinstance(value, dict) else {}
    region = named.get("Region") if isinstance(named, dict) else None
    if not isinstance(region, str):
        return resolve(value, *context, **options)
    with responses.request_scope(responses.get_account_id(), region):
        return resolve(value, *context, **options)


def resource_of_request(find: Callable[..., str], service: str, method: str, path: str, *rest: Any) -> str:
    """Return the ARN that IAM is asked about. DSQL's API has `/cluster/ID`, and MiniStack looks for `/clusters/ID`."""
    return find(
        service, method, path.replace("/cluster/", "/clusters/") if service == "dsql" else path, *rest
    )


def main() -> None:
    """Add the resource types, and serve until SIGTERM."""
    provisioners._RESOURCE_HANDLERS |= {
        "AWS::DSQL::Cluster": {"create": create_cluster, "update": update_cluster, "delete": delete_cluster},
        "AWS::IAM::RolePolicy": {
            "create": create_role_policy,
            "update": update_role_policy,
            "delete": delete_role_policy,
        },
    }
    iam_actions.extract_resource_arn = partial(resource_of_request, iam_actions.extract_resource_arn)
    engine._resolve_refs = partial(resolve_in_region, engine._resolve_refs)
    execute = lambda_svc._execute_function

    def execute_announced(function: dict[str, Any], event: dict[str, Any]) -> Any:
        announce(function)
        return execute(function, event)

    lambda_svc._execute_function = execute_announced
    app._port_is_bindable = lambda *_: False  # with TLS it would listen on port 443 as well
    app.main()


if __name__ == "__main__":
    main()
