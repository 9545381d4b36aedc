"""Rules on sequences and identity columns."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from dsql_dialect.definitions import columns
from dsql_dialect.rule import Hit
from dsql_dialect.rules.making import BEFORE, GUIDE, LINTED, options, refusal, unsupported, where
from dsql_dialect.type_names import base_name, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_SMALLEST_CACHE = 65_536
_USE_UUID = "Use uuid DEFAULT gen_random_uuid()."


def _bad_cache(node: Node, *, required: bool) -> bool:
    """Return whether a sequence's options lack a CACHE (where required) or have one that DSQL refuses."""
    for option in options(node):
        if option["defname"] == "cache":
            size = (
                option["arg"].get("Integer", {}).get("ival", 0)
                if "Float" not in option["arg"]
                else _SMALLEST_CACHE
            )
            return size != 1 and size < _SMALLEST_CACHE
    return required


def _identity(node: Node) -> Node | None:
    """Return the identity constraint of a column, made by CREATE TABLE or ALTER COLUMN, or None."""
    if node.get("subtype") == "AT_AddIdentity":
        added: Node = node["def"]["Constraint"]
        return added
    return node if node.get("contype") == "CONSTR_IDENTITY" else None


def _every_identity(node: Node) -> Iterator[Hit]:
    identity = _identity(node)
    if identity is not None:
        yield Hit(identity.get("location"))


def _identity_cache(node: Node) -> Iterator[Hit]:
    identity = _identity(node)
    if identity is not None and _bad_cache(identity, required=True):
        yield Hit(identity.get("location"))


def _identity_type(node: Node) -> Iterator[Hit]:
    for column in columns(node):
        kinds = [each["Constraint"]["contype"] for each in column.get("constraints", ())]
        if "CONSTR_IDENTITY" in kinds and base_name(column["typeName"]) != "int8":
            yield Hit(column["typeName"].get("location"), values={"type": shown(column["typeName"])})


def _sequence_type(node: Node) -> Iterator[Hit]:
    for option in options(node):
        if option["defname"] == "as" and base_name(option["arg"]["TypeName"]) != "int8":
            yield Hit(option.get("location"), values={"type": shown(option["arg"]["TypeName"])})


RULES = (
    unsupported(
        "create-sequence",
        "CreateSeqStmt",
        "Sequences are not supported",
        _USE_UUID,
        refused="CREATE SEQUENCE s CACHE 65536",
        accepted="CREATE TABLE sequence (id uuid PRIMARY KEY)",
        source=BEFORE,
        lifted=date(2026, 2, 13),
    ),
    refusal(
        "sequence-cache",
        "Sequence without CACHE 1, or CACHE 65536 and more",
        "Add CACHE 65536 (fast, with gaps) or CACHE 1 (every value is coordinated).",
        text="CREATE SEQUENCE is not supported without an explicit cache size. "
        "please define CACHE greater than or equal to 65536 or equal to 1",
        nodes=("CreateSeqStmt",),
        find=where(lambda node: _bad_cache(node, required=True)),
        refused="CREATE SEQUENCE s CACHE 100",
        accepted="CREATE SEQUENCE s CACHE 1",
    ),
    refusal(
        "alter-sequence-cache",
        "CACHE of a sequence other than 1, or 65536 and more",
        "Set CACHE 65536 (fast, with gaps) or CACHE 1 (every value is coordinated).",
        text="ALTER SEQUENCE is not supported with this cache size. "
        "please define CACHE greater than or equal to 65536 or equal to 1",
        nodes=("AlterSeqStmt",),
        find=where(lambda node: _bad_cache(node, required=False)),
        refused="ALTER SEQUENCE s CACHE 100",
        accepted="ALTER SEQUENCE s RESTART",
        source=GUIDE,
    ),
    refusal(
        "sequence-type",
        "Sequence of a type other than bigint",
        "Leave out AS, or write AS bigint.",
        text="datatype {type} not supported, sequence type must be bigint",
        nodes=("CreateSeqStmt", "AlterSeqStmt"),
        find=_sequence_type,
        refused="CREATE SEQUENCE s AS integer CACHE 1",
        accepted="CREATE SEQUENCE s AS bigint CACHE 1",
        source=LINTED,
    ),
    refusal(
        "temp-sequence",
        "Temporary sequences are not supported",
        "Leave out TEMPORARY.",
        text="TEMPORARY or TEMP sequence not supported for CREATE SEQUENCE",
        nodes=("CreateSeqStmt",),
        find=where(lambda node: node["sequence"].get("relpersistence") == "t"),
        refused="CREATE TEMP SEQUENCE s CACHE 1",
        accepted="CREATE SEQUENCE temp CACHE 1",
        source=GUIDE,
    ),
    refusal(
        "identity-column",
        "Identity columns are not supported",
        _USE_UUID,
        text="identity column not supported",
        nodes=("CONSTR_IDENTITY", "AlterTableCmd"),
        find=_every_identity,
        refused="CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY)",
        accepted="ALTER TABLE a ALTER COLUMN identity DROP IDENTITY",
        source=BEFORE,
        lifted=date(2026, 2, 13),
    ),
    refusal(
        "identity-type",
        "Identity column of a type other than bigint",
        "Make the column bigint.",
        text="datatype {type} not supported, identity column type must be bigint",
        nodes=("CreateStmt",),
        find=_identity_type,
        refused="CREATE TABLE a (id integer GENERATED ALWAYS AS IDENTITY (CACHE 1))",
        accepted="CREATE TABLE a (n integer, id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1))",
    ),
    refusal(
        "identity-cache",
        "Identity column without CACHE 1, or CACHE 65536 and more",
        "Write GENERATED … AS IDENTITY (CACHE 65536), or (CACHE 1).",
        text="identity column is not supported without an explicit cache size. "
        "please define CACHE greater than or equal to 65536 or equal to 1",
        nodes=("CONSTR_IDENTITY", "AlterTableCmd"),
        find=_identity_cache,
        refused="CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY)",
        accepted="CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 65536))",
    ),
)
