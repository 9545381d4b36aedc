"""Text in, statements with their kind, traits and refusals out."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from dsql_dialect import classify, json_tree, libpg_query
from dsql_dialect.position import Source
from dsql_dialect.prepass import Piece, pieces
from dsql_dialect.rule import Finding, Hit
from dsql_dialect.rules import ENCODING, SYNTAX, checks, default_refusal
from dsql_dialect.statement import Kind, Script, Statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dsql_dialect.profiles import Profile
    from dsql_dialect.rule import Node, Rule
    from dsql_dialect.statement import AsyncJob

_CACHED_UP_TO = 32_768
"""Longer texts are bulk data, seldom sent twice: keeping them would only fill memory. In characters."""

_JOBS: Mapping[str, AsyncJob] = {"IndexStmt": "index", "AlterTableStmt": "validate"}


def parse(sql: str, profile: Profile) -> Script:
    """Read a text of statements as DSQL would, at the dialect's day.

    Bad SQL never raises: it is a statement of kind INVALID whose finding has SQLSTATE 42601 (22021 for a text that
    is not UTF-8). Answers to texts of up to 32,768 characters are kept, for the 4,096 texts used last.
    """
    return _parse_kept(sql, profile) if len(sql) <= _CACHED_UP_TO else _parse(sql, profile)


def _parse(sql: str, profile: Profile) -> Script:
    try:
        source = Source(sql)
    except UnicodeEncodeError as error:
        return _undecodable(sql, error.start, "an unpaired surrogate")
    if "\0" in sql:
        return _undecodable(sql, sql.index("\0"), "0x00")
    return Script(tuple(_statement(source, piece, profile) for piece in pieces(source)))


_parse_kept = lru_cache(maxsize=4096)(_parse)


def _undecodable(sql: str, offset: int, what: str) -> Script:
    source = Source(sql[:offset])
    finding = Finding(ENCODING, ENCODING.text.format(byte=what), source.position(len(source.data)))
    return Script((_invalid(sql, source, 0, finding),))


def _invalid(text: str, source: Source, start: int, finding: Finding) -> Statement:
    return Statement(
        text=text,
        position=source.position(start),
        kind=Kind.INVALID,
        node="",
        backend_sql=text,
        findings=(finding,),
    )


def _statement(source: Source, piece: Piece, profile: Profile) -> Statement:
    text = source.slice(piece.start, piece.end)
    if piece.error is not None:
        at = len(source.text[: piece.error.at].encode())
        return _invalid(text, source, piece.start, Finding(SYNTAX, piece.error.message, source.position(at)))
    if piece.iam is not None:
        position = source.position(piece.start)
        return Statement(
            text=text, position=position, kind=Kind.DDL, node="Iam", backend_sql="", iam=piece.iam
        )
    assert piece.tree is not None
    name, root = json_tree.unwrap(piece.tree)
    table = checks(profile)
    seen = list(json_tree.walk(piece.tree, table.wanted))
    kind, traits = classify.classify(name, root, seen)
    return Statement(
        text=text,
        position=source.position(piece.start),
        kind=kind,
        node=name.removesuffix("Stmt"),
        backend_sql=_backend_sql(source, piece) if piece.blank else text,
        findings=_findings(source, piece, [*_hits(name, root, seen, table.rules)]),
        traits=traits,
        async_job=_JOBS.get(name) if piece.blank else None,
    )


def _backend_sql(source: Source, piece: Piece) -> str:
    assert piece.blank is not None
    start, end = piece.blank
    return source.slice(piece.start, start) + " " * (end - start) + source.slice(end, piece.end)


def _hits(
    name: str, root: Node, seen: Sequence[tuple[str, Node]], rules: Mapping[str, tuple[Rule, ...]]
) -> Iterator[tuple[Rule, Hit]]:
    yield from default_refusal(name, root)
    for key, node in seen:
        for rule in rules.get(key, ()):
            if rule.find is not None:
                yield from ((rule, hit) for hit in rule.find(node))


def _findings(source: Source, piece: Piece, hits: Sequence[tuple[Rule, Hit]]) -> tuple[Finding, ...]:
    if not hits:
        return ()
    placed = ((_place(source, piece, hit), rule, hit) for rule, hit in hits)
    found = (Finding(rule, rule.text.format(**hit.values), source.position(at)) for at, rule, hit in placed)
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: finding.position))


def _place(source: Source, piece: Piece, hit: Hit) -> int:
    """Return the byte offset of a hit: its own, or that of the word to blame, or the statement's."""
    at = piece.start if hit.at is None else piece.base + hit.at
    if hit.word is None:
        return at
    words = libpg_query.scan(source.data[piece.start : piece.end])
    after = (piece.start + token.start for token in words if token.word == hit.word)
    return next((offset for offset in after if offset >= at), at)
