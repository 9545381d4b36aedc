"""Find types and functions of PostgreSQL's extensions, which DSQL does not have unless a migration defines them.

The server reports an unknown name, too, but only on deploy: it is no error of grammar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.json_tree import walk, words
from dsql_dialect.migrations.probe import tree_of
from dsql_dialect.migrations.rules import EXTENSION_FUNCTION, EXTENSION_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dsql_dialect.rule import Node, Rule
    from dsql_dialect.statement import Statement

_TYPES = frozenset(
    {
        *("citext", "hstore", "ltree", "lquery", "ltxtquery", "cube", "seg", "isbn", "earth"),
        *("vector", "halfvec", "sparsevec", "geometry", "geography", "box2d", "box3d", "raster"),
    }
)
"""Of citext, hstore, ltree, cube, seg, isn, earthdistance, pgvector and PostGIS."""

_FUNCTIONS = frozenset(
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
    name, root = tree_of(statement)
    for key, node in walk({name: root}, {"typeName", "TypeName", "FuncCall"}):
        of_function = key == "FuncCall"
        called = _name(node.get("funcname" if of_function else "names", ()))
        if called in (_FUNCTIONS if of_function else _TYPES) - known:
            yield node.get("location", 0), EXTENSION_FUNCTION if of_function else EXTENSION_TYPE, called


def _name(names: list[Node]) -> str:
    *schema, name = words(names) or [""]
    return name if schema in _SCHEMAS else ""
