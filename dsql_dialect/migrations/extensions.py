"""Find types and functions that DSQL does not have unless a migration defines them, and comments on other such objects.

They are those of PostgreSQL's extensions, and functions that PostgreSQL has since 17 or 18. The server reports an
unknown name, too, but only on deploy: it is no error of grammar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.details import TYPE_NAMES
from dsql_dialect.json_tree import walk, words
from dsql_dialect.migrations.probe import tree_of
from dsql_dialect.migrations.rules import EXTENSION_FUNCTION, EXTENSION_TYPE, LATER_FUNCTION
from dsql_dialect.plpgsql_bodies import trees_of_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dsql_dialect.rule import Node, Rule
    from dsql_dialect.statement import Statement

_TYPES = frozenset(
    {
        *("citext", "hstore", "ltree", "lquery", "ltxtquery", "cube", "seg", "isbn", "earth"),
        *("vector", "halfvec", "sparsevec", "geometry", "geography", "box2d", "box3d", "raster"),
    }
)
"""Of citext, hstore, ltree, cube, seg, isn, earthdistance, pgvector and PostGIS."""

_OF_EXTENSIONS = frozenset(
    {
        *(
            "uuid_generate_v1",
            "uuid_generate_v1mc",
            "uuid_generate_v3",
            "uuid_generate_v4",
            "uuid_generate_v5",
        ),
        *("crypt", "gen_salt", "gen_random_bytes", "digest", "hmac", "pgp_sym_encrypt", "pgp_sym_decrypt"),
        *("similarity", "word_similarity", "unaccent", "levenshtein", "soundex", "metaphone", "crosstab"),
    }
)
"""Of uuid-ossp, pgcrypto, pg_trgm, unaccent, fuzzystrmatch and tablefunc."""

_OF_17 = frozenset(
    {
        *("to_bin", "to_oct", "uuid_extract_timestamp", "uuid_extract_version", "unicode_assigned"),
        *("unicode_version", "icu_unicode_version", "pg_basetype", "xmltext", "pg_column_toast_chunk_id"),
    }
)
_OF_18 = frozenset(
    {
        *(
            "uuidv4",
            "uuidv7",
            "casefold",
            "array_sort",
            "array_reverse",
            "gamma",
            "lgamma",
            "crc32",
            "crc32c",
        ),
        *("has_largeobject_privilege", "pg_get_acl", "pg_get_loaded_modules", "pg_numa_available"),
    }
)
"""Functions with a new name; what a known name does with other arguments is left to the server."""

_RULES: Mapping[str, Rule] = dict.fromkeys(_OF_EXTENSIONS, EXTENSION_FUNCTION) | dict.fromkeys(
    _OF_17 | _OF_18, LATER_FUNCTION
)
_SCHEMAS: tuple[list[str], ...] = (["public"], ["pg_catalog"], [])


def defined(statements: Iterable[Statement]) -> frozenset[str]:
    """Return the names of the domains and functions that statements create."""
    return frozenset(_made(statements))


def _made(statements: Iterable[Statement]) -> Iterator[str]:
    for statement in statements:
        if statement.node in ("CreateDomain", "CreateFunction"):
            _, root = tree_of(statement)
            yield words(root.get("domainname") or root["funcname"])[-1]


def missing(statement: Statement, known: frozenset[str]) -> Iterator[tuple[int, Rule, str]]:
    """Yield the byte offset in the statement, the broken rule and the name for every unknown name."""
    if not (statement.types & _TYPES or statement.functions & _RULES.keys()):
        return  # without a second reading, which would take most of the time
    name, root = tree_of(statement)
    yield from _missing_in({name: root}, known)
    if statement.has_plpgsql:
        for tree, place in trees_of_body(root, statement.text.encode()):
            yield from ((place(at), rule, called) for at, rule, called in _missing_in(tree, known))


def _missing_in(tree: Node, known: frozenset[str]) -> Iterator[tuple[int, Rule, str]]:
    for key, node in walk(tree, TYPE_NAMES | {"FuncCall"}):
        of_function = key == "FuncCall"
        called = _name(node.get("funcname" if of_function else "names", ()))
        if called not in known and called in (_RULES if of_function else _TYPES):
            yield node.get("location", 0), _RULES[called] if of_function else EXTENSION_TYPE, called


_PROCEDURE = "procedure"
_COMMENTED: Mapping[str, str] = {
    "OBJECT_EXTENSION": "extension",
    "OBJECT_TRIGGER": "trigger",
    "OBJECT_EVENT_TRIGGER": "event trigger",
    "OBJECT_RULE": "rule",
    "OBJECT_POLICY": "policy",
    "OBJECT_MATVIEW": "materialized view",
    "OBJECT_FOREIGN_TABLE": "foreign table",
    "OBJECT_FOREIGN_SERVER": "server",
    "OBJECT_FDW": "foreign-data wrapper",
    "OBJECT_PUBLICATION": "publication",
    "OBJECT_SUBSCRIPTION": "subscription",
    "OBJECT_PROCEDURE": _PROCEDURE,
    "OBJECT_AGGREGATE": "aggregate",
}
"""Kinds of objects whose CREATE is refused, with their names; a dump comments on what it creates."""


def procedures(statements: Iterable[Statement]) -> frozenset[str]:
    """Return the names of the procedures that statements create, and a dialect accepts."""
    return frozenset(
        name
        for statement in statements
        if statement.node == "CreateFunction" and not statement.findings
        for name in _made([statement])
        if tree_of(statement)[1].get("is_procedure")
    )


def commented(statement: Statement, procedures: frozenset[str]) -> tuple[str, str] | None:
    """Return kind and name of the object of a COMMENT that cannot exist, or None; `procedures` are those there are."""
    if statement.node != "Comment":
        return None
    _, root = tree_of(statement)
    kind = _COMMENTED.get(root["objtype"])
    if kind is None or (kind == _PROCEDURE and _last_name(root["object"]) in procedures):
        return None
    return kind, _last_name(root["object"])


def _last_name(named: Node) -> str:
    """Return the last name of an object: a name, a list of names, or a routine with its arguments."""
    names = named.get("List", {}).get("items") or named.get("ObjectWithArgs", {}).get("objname") or [named]
    return words(names)[-1]


def _name(names: list[Node]) -> str:
    *schema, name = words(names) or [""]
    return name if schema in _SCHEMAS else ""
