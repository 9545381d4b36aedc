"""Operations on tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_dynamodb.engine.errors import ApiError, invalid
from local_dynamodb.engine.parameters import attribute_name
from local_dynamodb.engine.schema import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dynamodb.engine.operations import Operations


def create_table(operations: Operations, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Run CreateTable; the table is active at once."""
    table = Table.of(operations.region, parameters)
    if (table.region, table.name) in operations.store.tables:
        raise ApiError("ResourceInUseException", f"Table already exists: {table.name}")
    operations.store.put_table(table)
    return {"TableDescription": table.description(0)}


def describe_table(operations: Operations, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Run DescribeTable."""
    table = operations.table(parameters)
    return {"Table": table.description(operations.store.count(table))}


def list_tables(operations: Operations, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Run ListTables."""
    del parameters
    return {"TableNames": [name for region, name in operations.store.tables if region == operations.region]}


def delete_table(operations: Operations, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Run DeleteTable."""
    table = operations.table(parameters)
    if table.deletion_protection:
        raise invalid(
            f"Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection "
            f"first: {table.name}"
        )
    operations.store.drop_table(table)
    return {"TableDescription": table.description(0) | {"TableStatus": "DELETING"}}


def update_time_to_live(operations: Operations, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Run UpdateTimeToLive."""
    specification = parameters["TimeToLiveSpecification"]
    attribute = attribute_name(specification) if specification["Enabled"] else ""
    operations.store.put_table(operations.table(parameters).with_ttl(attribute))
    return {"TimeToLiveSpecification": specification}


def describe_time_to_live(operations: Operations, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Run DescribeTimeToLive."""
    attribute = operations.table(parameters).ttl_attribute
    if not attribute:
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
    return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": attribute}}
