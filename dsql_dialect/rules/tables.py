"""Rules on CREATE TABLE: its unsupported clauses."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING

from dsql_dialect.definitions import ADDED_CONSTRAINT, COLUMN, columns, constraints
from dsql_dialect.json_tree import words
from dsql_dialect.limits import BYTES_PER_DECLARED_KEY, BYTES_PER_KEY
from dsql_dialect.rule import Hit, Rewording
from dsql_dialect.rules.making import (
    AGENT_PLUGINS,
    AGENT_PLUGINS_DAY,
    BEFORE,
    FEATURE_NOT_SUPPORTED,
    GUIDE,
    LINTED,
    MINISTACK_DAY,
    MINISTACK_UNMARKED,
    refusal,
    where,
)
from dsql_dialect.type_names import base_name, declared_length, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dsql_dialect.rule import Detector, Node

_NOT_IN_KEYS = frozenset({"bytea", "json", "jsonb", "timetz", "interval"})
_KEYS = ("CONSTR_PRIMARY", "CONSTR_UNIQUE")


def _persistence(letter: str) -> Detector:
    return where(lambda node: node["relation"].get("relpersistence") == letter)


def _temporary(node: Node) -> bool:
    """Return whether a table is temporary, by the word or by its schema."""
    relation = node["relation"]
    return bool(relation.get("relpersistence") == "t" or relation.get("schemaname") == "pg_temp")


def _partition_by(node: Node) -> Iterable[Hit]:
    return (Hit(node["partspec"].get("location")),) if "partspec" in node else ()


def _deferrable_keys(node: Node) -> Iterator[Hit]:
    last = None
    for constraint in constraints(node):
        attribute = constraint["contype"].startswith("CONSTR_ATTR_")
        if constraint["contype"] in ("CONSTR_ATTR_DEFERRABLE", "CONSTR_ATTR_DEFERRED") and last in _KEYS:
            yield Hit(constraint.get("location"))
        elif constraint.get("deferrable") and constraint["contype"] in _KEYS:
            yield Hit(constraint.get("location"), ("DEFERRABLE", "INITIALLY"))
        last = last if attribute else constraint["contype"]


def _key_types(node: Node) -> Iterator[Hit]:
    unfit = {
        column["colname"]: shown(written)
        for column in columns(node)
        if (written := column.get("typeName")) is not None and base_name(written) in _NOT_IN_KEYS
    }
    for name, constraint in _keys(node):
        if name in unfit:
            yield Hit(constraint.get("location"), values={"type": unfit[name]})


def _declared_keys(node: Node) -> Iterator[Hit]:
    """Yield the primary and unique keys whose declared lengths are too large together."""
    lengths = {column["colname"]: declared_length(column.get("typeName")) for column in columns(node)}
    for _, group in groupby(_keys(node), key=lambda key: id(key[1])):
        key = list(group)
        if sum(lengths.get(name, 0) for name, _ in key) > BYTES_PER_DECLARED_KEY:
            yield Hit(key[0][1].get("location"))


def _keys(create_table: Node) -> Iterator[tuple[str, Node]]:
    """Yield the columns of every primary and unique key, each with its constraint."""
    for column in columns(create_table):
        own = (each["Constraint"] for each in column.get("constraints", ()))
        yield from ((column["colname"], each) for each in own if each["contype"] in _KEYS)
    for constraint in constraints(create_table):
        if constraint["contype"] in _KEYS:
            yield from ((name, constraint) for name in words(constraint.get("keys", [])))


RULES = (
    refusal(
        "temp-table",
        "Temporary tables are not supported",
        "Use a WITH query, or an ordinary table whose rows carry the session that they belong to.",
        text="TEMPORARY or TEMP table not supported for CREATE TABLE",
        nodes=("CreateStmt",),
        find=where(_temporary),
        refused="CREATE TEMP TABLE a (id int)",
        accepted="CREATE TABLE temp_a (id int)",
    ),
    refusal(
        "unlogged-table",
        "Unlogged tables are not supported",
        "Leave out UNLOGGED.",
        text="UNLOGGED table not supported for CREATE TABLE",
        nodes=("CreateStmt",),
        find=_persistence("u"),
        refused="CREATE UNLOGGED TABLE a (id int)",
        accepted="CREATE TABLE unlogged (id int)",
    ),
    refusal(
        "partition-by",
        "PARTITION BY is not supported",
        "Leave out PARTITION BY: DSQL spreads a table by its primary key.",
        text="PARTITION BY clause not supported",
        nodes=("CreateStmt",),
        find=_partition_by,
        refused="CREATE TABLE a (id int) PARTITION BY RANGE (id)",
        accepted="SELECT rank() OVER (PARTITION BY id ORDER BY v) FROM a",
    ),
    refusal(
        "partition-of",
        "PARTITION OF is not supported",
        "Create one table with all the rows: DSQL spreads it by its primary key.",
        text="PARTITION OF clause not supported",
        nodes=("CreateStmt",),
        find=where(lambda node: "partbound" in node, "PARTITION"),
        refused="CREATE TABLE a PARTITION OF b FOR VALUES IN (1)",
        accepted="CREATE TABLE a (LIKE b INCLUDING ALL)",
        source=LINTED,
    ),
    refusal(
        "inherits",
        "INHERITS is not supported",
        "Repeat the columns (CREATE TABLE a (LIKE b)), or keep one table with a column that tells rows "
        "apart.",
        text="INHERITS clause not supported",
        nodes=("CreateStmt",),
        find=where(lambda node: "inhRelations" in node and "partbound" not in node, "INHERITS"),
        refused="CREATE TABLE a (id int) INHERITS (b)",
        accepted="CREATE TABLE a (LIKE b)",
        source=LINTED,
    ),
    refusal(
        "table-tablespace",
        "Tablespaces are not supported",
        "Leave out TABLESPACE.",
        text="TABLESPACE clause not supported",
        nodes=("CreateStmt", *_KEYS),
        find=where(lambda node: "tablespacename" in node or "indexspace" in node, "TABLESPACE"),
        refused="CREATE TABLE a (id int) TABLESPACE fast",
        accepted="CREATE TABLE a (tablespace_name text)",
        source=LINTED,
    ),
    refusal(
        "storage-parameters",
        "Storage parameters of a table are not supported",
        "Leave out WITH (…).",
        text="WITH clause not supported",
        nodes=("CreateStmt", *_KEYS),
        find=where(lambda node: "options" in node, "WITH"),
        refused="CREATE TABLE a (id int) WITH (fillfactor = 70)",
        accepted="CREATE TABLE a (id int) WITHOUT OIDS",
        source=LINTED,
    ),
    refusal(
        "on-commit",
        "ON COMMIT is not supported",
        "Leave out ON COMMIT; delete the rows when they are no longer needed.",
        text="ON COMMIT clause not supported",
        nodes=("CreateStmt",),
        find=where(lambda node: node.get("oncommit", "ONCOMMIT_NOOP") != "ONCOMMIT_NOOP", "COMMIT"),
        refused="CREATE TABLE a (id int) ON COMMIT DELETE ROWS",
        accepted="CREATE TABLE a (id int REFERENCES b ON DELETE CASCADE)",
        source=LINTED,
    ),
    refusal(
        "typed-table",
        "CREATE TABLE … OF a type is not supported",
        "Name the columns.",
        text="OF clause not supported",
        nodes=("CreateStmt",),
        find=where(lambda node: "ofTypename" in node, "OF"),
        refused="CREATE TABLE a OF b",
        accepted="CREATE TABLE a (LIKE b)",
        source=GUIDE,
    ),
    refusal(
        "table-access-method",
        "USING: a table access method cannot be chosen",
        "Leave out USING.",
        text="USING clause not supported",
        nodes=("CreateStmt",),
        find=where(lambda node: "accessMethod" in node, "USING"),
        refused="CREATE TABLE a (id int) USING heap",
        accepted="DELETE FROM a USING b WHERE a.id = b.id",
        source=GUIDE,
    ),
    refusal(
        "column-collation",
        "Collation of a column is not supported",
        "Leave out COLLATE: text is compared byte by byte. Sort for people in the application.",
        text="COLLATE clause not supported",
        nodes=(COLUMN,),
        find=where(lambda column: "collClause" in column, "COLLATE"),
        refused='CREATE TABLE a (name text COLLATE "en_US")',
        accepted="CREATE TABLE a (collate_key text)",
        source=LINTED,
    ),
    refusal(
        "column-compression",
        "COMPRESSION of a column is not supported",
        "Leave out COMPRESSION.",
        text="COMPRESSION clause not supported",
        nodes=(COLUMN,),
        find=where(lambda column: "compression" in column, "COMPRESSION"),
        refused="CREATE TABLE a (v text COMPRESSION pglz)",
        accepted="CREATE TABLE a (v text STORAGE EXTENDED)",
        source=LINTED,
    ),
    refusal(
        "exclusion-constraint",
        "Exclusion constraints are not supported",
        "Use UNIQUE where equality is enough; otherwise check in a transaction that takes the rows FOR "
        "UPDATE.",
        text="EXCLUDE constraint not supported",
        nodes=("CONSTR_EXCLUSION",),
        find=where(lambda _: True),
        refused="CREATE TABLE a (id int, EXCLUDE USING gist (id WITH =))",
        accepted="CREATE TABLE a (id int, UNIQUE (id))",
        source=LINTED,
    ),
    refusal(
        "deferrable-key",
        "DEFERRABLE on a UNIQUE or PRIMARY KEY constraint",
        "Leave out DEFERRABLE on UNIQUE and PRIMARY KEY.",
        text="DEFERRABLE not supported for UNIQUE or PRIMARY KEY constraint",
        nodes=("CreateStmt",),
        find=_deferrable_keys,
        refused="CREATE TABLE a (id int UNIQUE DEFERRABLE)",
        accepted="CREATE TABLE a (id int UNIQUE NOT NULL)",
        source=GUIDE,
        reworded=Rewording(
            since=MINISTACK_DAY,
            sqlstate=FEATURE_NOT_SUPPORTED,
            text="DEFERRABLE constraint not supported",
            source=MINISTACK_UNMARKED,
        ),
    ),
    refusal(
        "deferrable-added-key",
        "DEFERRABLE on a UNIQUE constraint that is added to a table",
        "Leave out DEFERRABLE.",
        text="ALTER TABLE / ADD CONSTRAINT UNIQUE / DEFERRED / INITIALLY DEFERRED not supported",
        nodes=(ADDED_CONSTRAINT,),
        find=where(
            lambda constraint: (
                constraint["contype"] == "CONSTR_UNIQUE"
                and "indexname" in constraint
                and constraint.get("deferrable")
            )
        ),
        refused="ALTER TABLE a ADD CONSTRAINT c UNIQUE USING INDEX unique_v DEFERRABLE",
        accepted="ALTER TABLE a ADD CONSTRAINT c UNIQUE USING INDEX unique_v NOT DEFERRABLE",
        source=MINISTACK_UNMARKED,
        since=MINISTACK_DAY,
    ),
    refusal(
        "key-size",
        f"Key whose char and varchar columns are declared with more than {BYTES_PER_DECLARED_KEY:,} bytes",
        "Declare shorter columns, or make a uuid the key. What a row has in its key must be shorter still: about "
        f"{BYTES_PER_KEY:,} bytes.",
        sqlstate="54000",
        text=f"key size greater than {BYTES_PER_DECLARED_KEY} bytes not supported",
        nodes=("CreateStmt",),
        find=_declared_keys,
        refused="CREATE TABLE a (id varchar(2001) PRIMARY KEY)",
        accepted="CREATE TABLE a (id varchar(2000) PRIMARY KEY)",
        source=AGENT_PLUGINS,
        since=AGENT_PLUGINS_DAY,
    ),
    refusal(
        "key-type",
        "Key with a column of type bytea, json, jsonb, interval or time with time zone",
        "Make a column of another type the key: uuid, text, bigint, timestamptz.",
        text="datatype {type} is not supported in a key",
        nodes=("CreateStmt",),
        find=_key_types,
        refused="CREATE TABLE a (id bytea PRIMARY KEY)",
        accepted="CREATE TABLE a (id uuid PRIMARY KEY, v bytea)",
        source=AGENT_PLUGINS,
    ),
    refusal(
        "foreign-key",
        "Foreign keys are not supported",
        "Leave out REFERENCES and FOREIGN KEY, and check the parent row in the transaction that writes "
        "the child.",
        text="FOREIGN KEY constraint not supported",
        nodes=("CONSTR_FOREIGN", ADDED_CONSTRAINT),
        find=where(lambda constraint: constraint["contype"] == "CONSTR_FOREIGN"),
        refused="CREATE TABLE a (b_id uuid REFERENCES b (id))",
        accepted='CREATE TABLE a ("references" uuid, references_count int DEFAULT 0)',
        source=BEFORE,
        lifted=date(2026, 8, 26),
    ),
)
