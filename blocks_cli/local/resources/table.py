"""`AWS::DynamoDB::GlobalTable` and `AWS::DynamoDB::Table`: a table of the local DynamoDB, in each of its Regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, mapping, sequence, text
from blocks_cli.local.placeholders import physical_name
from blocks_cli.local.resources.handler import ResourceRequest, ResourceResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.state import DeployedResource

_DEFINITION = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
_EXISTS = "ResourceInUseException"


class TableHandler:
    """Creates and deletes tables; their items outlive the process, and a destroy if retained."""

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Create the table, if it does not exist."""
        dynamo, properties = account.tables.start(), request.properties
        name = (
            request.previous.physical_id
            if request.previous
            else text(properties.get("TableName")) or physical_name(request.stack, request.logical_id)
        )
        wanted: dict[str, Json] = {part: properties[part] for part in _DEFINITION if properties.get(part)}
        created = dynamo.request(
            "CreateTable",
            {"TableName": name, "BillingMode": "PAY_PER_REQUEST", **wanted},
            request.region,
        )
        if "TableDescription" not in created and not str(created.get("__type", "")).endswith(_EXISTS):
            raise CommandError(
                f"{request.path}: the table cannot be created locally",
                str(created.get("message")),
                "leave out what the local DynamoDB does not have (docs/atomic-table.md), or deploy it to AWS",
            )
        ttl = mapping(properties.get("TimeToLiveSpecification"))
        if ttl:
            dynamo.request(
                "UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": dict(ttl)}, request.region
            )
        regions = _regions(properties)
        if len(regions) > 1:
            dynamo.replicate(name, regions)
        arn = f"{request.arn_prefix('dynamodb')}:table/{name}"
        return ResourceResult(name, {"Arn": arn, "TableId": name, "StreamArn": f"{arn}/stream/local"})

    def restore(self, resource: DeployedResource, account: LocalAccount) -> Mapping[str, str]:
        """Start the local DynamoDB; functions get its endpoint as a variable."""
        dynamo, regions = account.tables.start(), _regions(resource.properties)
        if len(regions) > 1:
            dynamo.replicate(resource.physical_id, regions)
        return {}

    def delete(self, resource: DeployedResource, account: LocalAccount, *, purge: bool) -> None:
        """Delete the table in all its Regions, with its items."""
        if _is_protected(resource.properties) and not purge:
            raise CommandError(
                f"{resource.path}: cannot be deleted",
                "deletion protection is enabled (ValidationException)",
                "deploy it without deletion protection first, or destroy with --purge",
            )
        dynamo = account.tables.start()
        home = text(resource.attributes["Arn"]).split(":")[3]
        for region in {home, *_regions(resource.properties)}:
            dynamo.request("DeleteTable", {"TableName": resource.physical_id}, region)


def _regions(properties: Mapping[str, Json]) -> list[str]:
    """Return the Regions of a replicated table."""
    found = [text(mapping(replica).get("Region")) for replica in sequence(properties.get("Replicas"))]
    return [region for region in found if region]


def _is_protected(properties: Mapping[str, Json]) -> bool:
    replicas = [mapping(replica) for replica in sequence(properties.get("Replicas"))]
    return any(each.get("DeletionProtectionEnabled") is True for each in (properties, *replicas))
