"""Catalog queries that show whether a statement took effect, by the kind of object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime import sql
from blocks_runtime.database.fragments import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from blocks_runtime import Sql
    from migration_manifest import Probe


def presence(probe: Probe) -> Sql | None:
    """Return a query with one row and one column, `present`; None for an unknown kind of object."""
    ask = _QUESTIONS.get(str(probe["object"]))
    return None if ask is None else sql("SELECT EXISTS ({query}) AS present", query=ask(probe))


def expected(probe: Probe) -> bool:
    """Return the value of `present` after the statement has taken effect."""
    return probe["present"] is True


def _relation(*kinds: str) -> Callable[[Probe], Sql]:
    return lambda probe: sql(
        "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = {schema} AND c.relname = {name} AND c.relkind::text = ANY({kinds})",
        schema=probe["schema"],
        name=probe["name"],
        kinds=list(kinds),
    )


def _column(also: str = "") -> Callable[[Probe], Sql]:
    return lambda probe: sql(
        "SELECT 1 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {schema} AND c.relname = {table} "
        "AND a.attname = {name} AND a.attnum > 0 AND NOT a.attisdropped{also}",
        schema=probe["schema"],
        table=probe["table"],
        name=probe["name"],
        also=_ALSO[also],
    )


_ALSO = {
    "": sql(""),
    "default": sql(" AND a.atthasdef"),
    "not null": sql(" AND a.attnotnull"),
    "expression": sql(" AND a.attgenerated <> ''"),
    "identity": sql(" AND a.attidentity <> ''"),
}


def _constraint(probe: Probe) -> Sql:
    return sql(
        "SELECT 1 FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {schema} AND c.relname = {table} "
        "AND k.conname = {name}{validated}",
        schema=probe["schema"],
        table=probe["table"],
        name=probe["name"],
        validated=sql(" AND k.convalidated") if probe.get("validated") else sql(""),
    )


def _domain(probe: Probe) -> Sql:
    return sql(
        "SELECT 1 FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "
        "WHERE n.nspname = {schema} AND t.typname = {name} AND t.typtype = 'd'",
        schema=probe["schema"],
        name=probe["name"],
    )


def _function(probe: Probe) -> Sql:
    arguments = probe.get("arguments")
    if isinstance(arguments, list):
        name = f"{quote_identifier(str(probe['schema']))}.{quote_identifier(str(probe['name']))}"
        signature = f"{name}({', '.join(map(str, arguments))})"
        body = probe.get("body")
        if body is not None:  # the server prints it as it was written
            return sql(
                "SELECT 1 FROM pg_proc p WHERE p.oid = to_regprocedure({signature}) "
                "AND strpos(pg_get_functiondef(p.oid), {body}) > 0",
                signature=signature,
                body=body,
            )
        return sql("SELECT 1 WHERE to_regprocedure({signature}) IS NOT NULL", signature=signature)
    return sql(
        "SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname = {schema} AND p.proname = {name}",
        schema=probe["schema"],
        name=probe["name"],
    )


def _statistics(probe: Probe) -> Sql:
    return sql(
        "SELECT 1 FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace "
        "WHERE n.nspname = {schema} AND s.stxname = {name}",
        schema=probe["schema"],
        name=probe["name"],
    )


def _schema(probe: Probe) -> Sql:
    return sql("SELECT 1 FROM pg_namespace WHERE nspname = {name}", name=probe["name"])


def _role(probe: Probe) -> Sql:
    return sql("SELECT 1 FROM pg_roles WHERE rolname = {name}", name=probe["name"])


def _iam(probe: Probe) -> Sql:
    return sql(
        "SELECT 1 FROM sys.iam_pg_role_mappings WHERE pg_role_name = {role} AND arn = {arn}",
        role=probe["role"],
        arn=probe["arn"],
    )


_QUESTIONS: Mapping[str, Callable[[Probe], Sql]] = {
    "table": _relation("r", "p"),
    "view": _relation("v"),
    "index": _relation("i", "I"),
    "sequence": _relation("S"),
    "column": _column(),
    "default": _column("default"),
    "not_null": _column("not null"),
    "expression": _column("expression"),
    "identity": _column("identity"),
    "constraint": _constraint,
    "domain": _domain,
    "function": _function,
    "statistics": _statistics,
    "schema": _schema,
    "role": _role,
    "iam": _iam,
}

KINDS = tuple(_QUESTIONS)
"""Kinds of object with a query."""
