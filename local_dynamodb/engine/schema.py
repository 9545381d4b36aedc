"""Definition of a table: its key, its time to live, and its description."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from blocks_runtime.atomic_table.limits import PARTITION_KEY_BYTES, SORT_KEY_BYTES
from local_dsql.access.cluster_name import LOCAL_ACCOUNT
from local_dynamodb.engine.attributes import check_attribute, key_bytes
from local_dynamodb.engine.errors import invalid, invalid_values
from local_dynamodb.engine.parameters import attribute_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dynamodb.engine.attributes import Attribute, Item

_INDEXES = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")


@dataclass(frozen=True, slots=True)
class Table:
    """A table in one Region. `sort_key` is empty for a table without one; types are S, N or B."""

    region: str
    name: str
    partition_key: str
    partition_type: str
    sort_key: str = ""
    sort_type: str = ""
    created: float = 0.0
    ttl_attribute: str = ""
    deletion_protection: bool = False

    @classmethod
    def of(cls, region: str, parameters: Mapping[str, Any]) -> Table:
        """Return the table that CreateTable describes.

        Raises:
            ApiError: the key is not valid, or it has secondary indexes.
        """
        if any(parameters.get(name) for name in _INDEXES):
            raise invalid("Secondary indexes are not available locally")
        keys = {each["KeyType"]: attribute_name(each) for each in parameters.get("KeySchema", ())}
        types = {
            attribute_name(each): each["AttributeType"] for each in parameters.get("AttributeDefinitions", ())
        }
        if "HASH" not in keys or len(keys) != len(parameters["KeySchema"]):
            raise invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
        if set(keys.values()) != set(types):
            raise invalid_values(
                "Number of attributes in KeySchema does not exactly match number of attributes defined in "
                "AttributeDefinitions"
            )
        sort = keys.get("RANGE", "")
        return cls(
            region,
            _table_name(parameters["TableName"]),
            keys["HASH"],
            types[keys["HASH"]],
            sort,
            types.get(sort, ""),
            time.time(),
            deletion_protection=bool(parameters.get("DeletionProtectionEnabled")),
        )

    @classmethod
    def from_json(cls, text: str) -> Table:
        """Return the table that `to_json` has written."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Return the definition as text."""
        return json.dumps(asdict(self))

    def in_region(self, region: str) -> Table:
        """Return the replica of the table in another Region."""
        return replace(self, region=region)

    def with_ttl(self, attribute: str) -> Table:
        """Return the table with another attribute for its time to live, `""` for none."""
        return replace(self, ttl_attribute=attribute)

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of the key attributes."""
        return (self.partition_key, self.sort_key) if self.sort_key else (self.partition_key,)

    @property
    def arn(self) -> str:
        """The ARN of the table."""
        return f"arn:aws:dynamodb:{self.region}:{LOCAL_ACCOUNT}:table/{self.name}"

    def key_of(self, item: Item) -> Item:
        """Return the key attributes of an item."""
        return {name: item[name] for name in self.key_names}

    def stored_key(self, item: Item, *, exact: bool = False) -> tuple[bytes, bytes]:
        """Return the key of an item as bytes that sort as the keys do.

        Args:
            item: attributes of a key or an item.
            exact: whether there must be no other attributes.

        Raises:
            ApiError: a part is missing, empty, too long or of another type.
        """
        if exact and set(item) != set(self.key_names):
            raise invalid("The provided key element does not match the schema")
        parts = [self._part(self.partition_key, self.partition_type, item, PARTITION_KEY_BYTES, exact)]
        if self.sort_key:
            parts.append(self._part(self.sort_key, self.sort_type, item, SORT_KEY_BYTES, exact))
        return (parts[0], parts[1] if self.sort_key else b"")

    def check_key_values(self, name: str, values: tuple[Attribute, ...]) -> None:
        """Check the values that a key condition compares a key attribute with.

        Raises:
            ApiError: one is empty, or of another type.
        """
        kind = self.partition_type if name == self.partition_key else self.sort_type
        if any(kind not in value for value in values):
            raise invalid_values("Condition parameter type does not match schema type")
        for value in values:
            _check_not_empty(name, value)

    def _part(self, name: str, kind: str, item: Item, limit: int, exact: bool) -> bytes:
        if name not in item:
            raise invalid_values(f"Missing the key {name} in the item")
        attribute = check_attribute(item[name])
        if kind not in attribute:
            if exact:
                raise invalid("The provided key element does not match the schema")
            raise invalid_values(
                f"Type mismatch for key {name} expected: {kind} actual: {next(iter(attribute))}"
            )
        _check_not_empty(name, attribute)
        stored = key_bytes(attribute)
        if kind != "N" and len(stored) > limit:
            size = "2048 bytes" if limit == PARTITION_KEY_BYTES else "1024 bytes"
            which = "hashkey" if name == self.partition_key else "rangekey"
            raise invalid_values(f"Size of {which} has exceeded the maximum size limit of{size}")
        return stored

    def description(self, count: int) -> dict[str, Any]:
        """Return the description of the table with `count` items."""
        types = ((self.partition_key, self.partition_type, "HASH"), (self.sort_key, self.sort_type, "RANGE"))
        keys = [each for each in types if each[0]]
        return {
            "TableName": self.name,
            "TableArn": self.arn,
            "TableStatus": "ACTIVE",
            "CreationDateTime": self.created,
            "ItemCount": count,
            "TableSizeBytes": 0,
            "KeySchema": [{"AttributeName": name, "KeyType": role} for name, _, role in keys],
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": kind} for name, kind, _ in keys
            ],
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "DeletionProtectionEnabled": self.deletion_protection,
        }


def _check_not_empty(name: str, attribute: Attribute) -> None:
    ((kind, value),) = attribute.items()
    if value == "":
        raise invalid(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            f"empty {'binary' if kind == 'B' else 'string'} value. Key: {name}"
        )


_NAME = re.compile(r"[A-Za-z0-9_.-]{1,255}")


def _table_name(name: object) -> str:
    """Return the name of a table; one of DynamoDB has three characters at least."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(
            f"1 validation error: {name!r} is no name of a table, which has letters, digits, '_', '.', '-' only"
        )
    return name
