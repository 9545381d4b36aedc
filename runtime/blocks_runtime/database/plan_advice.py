"""Warnings on a plan, and the indexes that would help, within the limits of DSQL's CREATE INDEX.

An index helps a scan with a filter: first the columns that are compared for equality, then one that is compared by
range or sorted by, and the other columns that the statement needs as INCLUDE, so that no look-up in the table is left.
Sources: AWS user guide, "Reading Aurora DSQL EXPLAIN plans", "CREATE INDEX", "Cluster quotas".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .fragments import Sql, quote_identifier, sql
from .plan_scans import FULL_SCAN, INDEX_SCAN, scans
from .plan_tree import tree
from .plans import PlanWarning

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .plan_scans import Scan
    from .plans import Plan, PlanNode

KEY_COLUMNS = 8
"""Columns of the key of an index, at most."""

NOT_IN_A_KEY = ("bytea", "json", "jsonb", "time with time zone", "interval")
"""Types that DSQL refuses in a key."""

MOST_WANTED = 0.5
"""Share of the rows read that a scan returns, above which another index saves little."""

FEW = 100
"""Rows that are read in one request whatever the plan; reading fewer saves nothing."""

LONGEST_NAME = 63
"""Bytes of a name."""

_SUFFIX = "_idx"
_NAME = r'(?:"(?:[^"]|"")+"|[a-z_][\w$]*)'
_COMPARISON = re.compile(
    rf"\(*(?:{_NAME}\.)?(?P<column>{_NAME})\)*(?:::[\w ]+(?:\(\d+(?:,\d+)?\))?\)*)? "
    r"(?P<operator>=|<|>|<=|>=) (?P<value>.+)"
)
_EQUAL, _RANGE = "=", ("<", ">", "<=", ">=")
_TEXT_OR_NAME = re.compile(rf"'(?:[^']|'')*'|(?:(?P<alias>{_NAME})\.)?(?P<name>{_NAME})(?!\s*\()")


@dataclass(frozen=True, slots=True)
class TableFacts:
    """Columns of a table with their types, and its indexes: key columns, and included ones."""

    columns: dict[str, str]
    indexes: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


def facts_query(plan: Plan) -> Sql | None:
    """Return the query for the tables of a plan; None if it scans none."""
    tables = sorted({each.table for each in scans(plan)})
    if not tables:
        return None
    return sql(
        "SELECT given.name, 'column', a.attname, format_type(a.atttypid, NULL) "
        "FROM (SELECT name, to_regclass(name) AS oid FROM unnest({tables}::text[]) AS name) AS given "
        "JOIN pg_catalog.pg_attribute a ON a.attrelid = given.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "UNION ALL "
        "SELECT given.name, i.indexrelid::text, a.attname, "
        "CASE WHEN place < i.indnkeyatts THEN 'key' ELSE 'included' END "
        "FROM (SELECT name, to_regclass(name) AS oid FROM unnest({tables}::text[]) AS name) AS given "
        "JOIN pg_catalog.pg_index i ON i.indrelid = given.oid AND i.indisvalid AND i.indpred IS NULL "
        "CROSS JOIN generate_series(0, i.indnatts - 1) AS place "
        "JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place]",
        tables=tables,
    )


def advised(plan: Plan, rows: Iterable[tuple[Any, ...]]) -> Plan:
    """Return the plan with its warnings and as a tree, given the rows of `facts_query`."""
    facts = _facts(rows)
    found = [warning for scan in scans(plan) for warning in _of_scan(scan, facts.get(scan.table))]
    with_warnings = replace(plan, warnings=(*found, *_of_sorts(plan)))
    return replace(with_warnings, tree=tree(with_warnings))


def _facts(rows: Iterable[tuple[Any, ...]]) -> dict[str, TableFacts]:
    columns: dict[str, dict[str, str]] = {}
    indexes: dict[str, dict[str, tuple[list[str], list[str]]]] = {}
    for table, kind, column, what in rows:
        if kind == "column":
            columns.setdefault(table, {})[column] = what
        else:
            key, included = indexes.setdefault(table, {}).setdefault(kind, ([], []))
            (key if what == "key" else included).append(column)
    return {
        table: TableFacts(
            found, tuple((tuple(key), tuple(more)) for key, more in indexes.get(table, {}).values())
        )
        for table, found in columns.items()
    }


def _of_scan(scan: Scan, facts: TableFacts | None) -> Iterator[PlanWarning]:
    read, returned = scan.rows_read, scan.rows_returned
    if read is not None and read <= FEW:
        return
    table = scan.table.removeprefix("public.")
    rows = "all rows" if read is None else f"all {read:,.0f} rows"
    useful = read is None or returned is None or returned <= MOST_WANTED * read
    index = _index(scan, facts) if facts and useful else None
    if scan.access == FULL_SCAN:
        kept = "" if returned is None or returned == read else f" to return {returned:,.0f}"
        yield PlanWarning("full scan", f"{rows} of {table} are read{kept}", index)
        return
    if scan.filters and useful:
        part = "" if read is None or returned is None else f"{read - returned:,.0f} of {read:,.0f} rows "
        yield PlanWarning("filter after scan", f"{part}read from {scan.index} are removed by a filter", index)
        index = None  # the same one covers
    if scan.access == INDEX_SCAN:
        text = f"each row found in {scan.index} is looked up in {table} for the other columns"
        yield PlanWarning("no covering index", text, index)


def _of_sorts(plan: Plan) -> Iterator[PlanWarning]:
    for node in plan.root.walk():
        method = node.detail("Sort Method") or ""
        if "Disk" in method:
            yield PlanWarning(
                "sort on disk", f"{method} for {node.detail('Sort Key')}; DSQL has 128 MiB for a query"
            )


def _index(scan: Scan, facts: TableFacts) -> str | None:
    """Return the statement for an index that would serve a scan; None if there is none, or it exists already."""
    equal, ranged = _compared(scan, facts)
    ordered = _sorted_by(scan, facts)
    more = ordered if ordered and (not ranged or ranged[0] == ordered[0]) else ranged[:1]
    key = [*dict.fromkeys([*equal, *more])][:KEY_COLUMNS]
    if not key or any(facts.columns[each] in NOT_IN_A_KEY for each in key):
        return None
    included = [each for each in _needed(scan, facts) if each not in key]
    names = ", ".join(map(_plain, key))
    same_key = [each for each in facts.indexes if each[0][: len(key)] == tuple(key)]
    if any({*included} <= {*columns, *others} for columns, others in same_key):
        return f"exists, but is not used; its statistics may be old: ANALYZE {scan.table}"
    if same_key and scan.access == FULL_SCAN and scan.rows_read is None:  # of few rows no index is used
        old = f"the table is small, or its statistics are old: ANALYZE {scan.table}"
        return f"exists with the key ({names}), but is not used; {old}"
    include = f" INCLUDE ({', '.join(map(_plain, included))})" if included else ""
    return (
        f"CREATE INDEX ASYNC {_index_name(scan.table, [*key, *included])} ON {scan.table} ({names}){include}"
    )


def _index_name(table: str, columns: list[str]) -> str:
    """Return the name that PostgreSQL would choose for an index, because a migration needs one."""
    name = "_".join([_unquoted(re.findall(_NAME, table)[-1]), *columns])
    return _plain(name.encode()[: LONGEST_NAME - len(_SUFFIX)].decode(errors="ignore") + _SUFFIX)


def _compared(scan: Scan, facts: TableFacts) -> tuple[list[str], list[str]]:
    """Return the columns that are compared with a value for equality, and those by range."""
    equal: list[str] = []
    ranged: list[str] = []
    for text in (*scan.index_conditions, *scan.filters):
        for each in _conjuncts(text):
            found = _COMPARISON.fullmatch(each)
            column = _unquoted(found["column"]) if found else ""
            if found and column in facts.columns and not _names(found["value"], scan, facts):
                (equal if found["operator"] == _EQUAL else ranged).append(column)
    return equal, [each for each in ranged if each not in equal]


def _sorted_by(scan: Scan, facts: TableFacts) -> list[str]:
    """Return the columns that the rows are sorted by next, if all are columns of the table, ascending."""
    for node in scan.above[:2]:
        if key := node.detail("Sort Key"):
            names = [_unquoted(each.rpartition(".")[2]) for each in key.split(", ")]
            return names if all(name in facts.columns for name in names) else []
    return []


def _needed(scan: Scan, facts: TableFacts) -> list[str]:
    """Return the columns of the table that the statement uses, in the order of the table."""
    details = (
        [*scan.node.details]
        if not scan.above
        else [each for each in scan.node.details if "Output" not in each]
    )
    for part in (*scan.parts[1:], *scan.above):
        details += part.details
    if scan.above and _output_is_exact(scan.above[0]):
        details += scan.node.details
    for root in scan.above[
        -1:
    ]:  # the inner scan of a nested loop compares its index with columns of the outer one
        for other in root.walk():
            details += [each for each in other.details if each.startswith("Index Cond")]
    used = {name for text in details for name in _names(text.partition(": ")[2], scan, facts)}
    return [name for name in facts.columns if name in used]


def _output_is_exact(parent: PlanNode) -> bool:
    """Return whether the parent keeps its child's rows, as a sort does: then PostgreSQL reads no unused column."""
    return parent.label.startswith(("Sort", "Limit", "Hash", "Materialize", "Incremental Sort"))


def _names(text: str, scan: Scan, facts: TableFacts) -> list[str]:
    """Return the columns of the scanned table in an expression of a plan."""
    found = []
    for match in _TEXT_OR_NAME.finditer(text):
        if match["name"] is None or (match["alias"] and match["alias"] != scan.alias):
            continue
        before = text[: match.start()]
        name = _unquoted(match["name"])
        if name in facts.columns and not before.endswith("::"):
            found.append(name)
    return found


def _conjuncts(text: str) -> list[str]:
    """Return the conditions that an expression connects with AND, each without its outer parentheses."""
    text = _stripped(text)
    depths = _depths(text)
    ends = [at for at in range(len(text)) if depths[at] == 0 and text.startswith(" AND ", at)]
    if not ends:
        return [text]
    starts = [0, *(at + len(" AND ") for at in ends)]
    parts = [text[start:end] for start, end in zip(starts, [*ends, len(text)], strict=True)]
    return [each for part in parts for each in _conjuncts(part)]


def _stripped(text: str) -> str:
    """Return an expression without parentheses around the whole."""
    while text.startswith("(") and 0 not in _depths(text)[:-1]:
        text = text[1:-1]
    return text


def _depths(text: str) -> list[int]:
    """Return the number of open parentheses after each character; within quotes it is never 0."""
    depths, depth, quote = [], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += (character == "(") - (character == ")")
        depths.append(depth + bool(quote))
    return depths


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _plain(name: str) -> str:
    """Return a name as it is written in a statement, quoted if it must be."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else quote_identifier(name)
