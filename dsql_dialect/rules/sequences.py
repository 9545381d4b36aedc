"""Rules on sequences and identity columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.definitions import columns
from dsql_dialect.profiles import SEQUENCES
from dsql_dialect.rule import Hit
from dsql_dialect.rules.making import BEFORE, GUIDE, options, refusal, unsupported, where
from dsql_dialect.type_names import base_name, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_SMALLEST_CACHE = 65_536
_INVALID_PARAMETER_VALUE = "22023"
_USE_UUID = "Use uuid DEFAULT gen_random_uuid()."


def _cache(node: Node) -> Node | None:
    """Return the option CACHE of a sequence, or None where there is none."""
    return next((each for each in options(node) if each["defname"] == "cache"), None)


def _size(option: Node) -> str:
    """Return the number behind CACHE; one that needs more than 32 bits is a Float in the tree."""
    number = option["arg"]
    return str(number["Float"]["fval"] if "Float" in number else number["Integer"].get("ival", 0))


def _wrong_size(node: Node) -> Iterator[Hit]:
    """Yield the CACHE of CREATE or ALTER SEQUENCE, or of an identity column, that DSQL refuses."""
    owner = node if node.get("subtype") is None and node.get("contype") is None else _identity(node)
    option = None if owner is None else _cache(owner)
    if option is not None and _is_refused(_size(option)):
        yield Hit(option.get("location"), values={"size": _size(option)})


def _is_refused(size: str) -> bool:
    return float(size) != 1 and float(size) < _SMALLEST_CACHE


def _identity(node: Node) -> Node | None:
    """Return the identity constraint of a column, made or changed by CREATE TABLE or ALTER COLUMN, or None."""
    if node.get("subtype") == "AT_AddIdentity":
        added: Node = node["def"]["Constraint"]
        return added
    if node.get("subtype") == "AT_SetIdentity":
        return {"options": node["def"]["List"]["items"]}
    return node if node.get("contype") == "CONSTR_IDENTITY" else None


def _every_identity(node: Node) -> Iterator[Hit]:
    identity = _identity(node)
    if identity is not None and node.get("subtype") != "AT_SetIdentity":
        yield Hit(identity.get("location"))


def _identity_cache(node: Node) -> Iterator[Hit]:
    if node.get("subtype") == "AT_SetIdentity":
        return
    identity = _identity(node)
    if identity is not None and _cache(identity) is None:
        yield Hit(identity.get("location"))


def _identity_type(node: Node) -> Iterator[Hit]:
    for column in columns(node):
        kinds = [each["Constraint"]["contype"] for each in column.get("constraints", ())]
        written = column.get("typeName")
        if "CONSTR_IDENTITY" in kinds and written is not None and base_name(written) != "int8":
            yield Hit(written.get("location"), values={"type": shown(written)})


def _sequence_type(node: Node) -> Iterator[Hit]:
    for option in options(node):
        if option["defname"] == "as" and base_name(option["arg"]["TypeName"]) != "int8":
            yield Hit(option.get("location"))


RULES = (
    unsupported(
        "create-sequence",
        "CreateSeqStmt",
        "Sequences are not supported",
        _USE_UUID,
        refused="CREATE SEQUENCE s CACHE 65536",
        accepted="CREATE TABLE sequence (id uuid PRIMARY KEY)",
        source=BEFORE,
        lifted=SEQUENCES,
    ),
    refusal(
        "sequence-cache",
        "Sequence without CACHE",
        "Add CACHE 65536 (fast, with gaps) or CACHE 1 (every value is coordinated).",
        text="CREATE SEQUENCE is not supported without an explicit cache size. "
        "please define CACHE greater than or equal to 65536 or equal to 1",
        nodes=("CreateSeqStmt",),
        find=where(lambda node: _cache(node) is None),
        refused="CREATE SEQUENCE s",
        accepted="CREATE SEQUENCE s CACHE 1",
    ),
    refusal(
        "cache-size",
        "CACHE other than 1, or 65536 and more",
        "Write CACHE 65536 (fast, with gaps) or CACHE 1 (every value is coordinated).",
        sqlstate=_INVALID_PARAMETER_VALUE,
        text="CACHE ({size}) must be greater than or equal to 65536 or equal to 1",
        nodes=("CreateSeqStmt", "AlterSeqStmt", "CONSTR_IDENTITY", "AlterTableCmd"),
        find=_wrong_size,
        refused="ALTER SEQUENCE s CACHE 100",
        accepted="ALTER SEQUENCE s RESTART",
        source="AWS Aurora DSQL dialect for SQLAlchemy, tests against a cluster (class 22, parts of the text)",
    ),
    refusal(
        "sequence-type",
        "Sequence of a type other than bigint",
        "Leave out AS, or write AS bigint.",
        sqlstate=_INVALID_PARAMETER_VALUE,
        text="sequence type must be bigint",
        nodes=("CreateSeqStmt", "AlterSeqStmt"),
        find=_sequence_type,
        refused="CREATE SEQUENCE s AS integer CACHE 1",
        accepted="CREATE SEQUENCE s AS bigint CACHE 1",
        source="AWS Aurora DSQL dialect for SQLAlchemy, tests against a cluster (class 22, parts of the text)",
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
        lifted=SEQUENCES,
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
        "Identity column without CACHE",
        "Write GENERATED … AS IDENTITY (CACHE 65536), or (CACHE 1).",
        text="identity column is not supported without an explicit cache size. "
        "please define CACHE greater than or equal to 65536 or equal to 1",
        nodes=("CONSTR_IDENTITY", "AlterTableCmd"),
        find=_identity_cache,
        refused="CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY)",
        accepted="CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 65536))",
    ),
)
