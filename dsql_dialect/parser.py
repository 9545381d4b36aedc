"""Read a text of SQL: its statements with kind, traits, names and refusals."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from dsql_dialect import bodies, bulk_inserts, classify, details, json_tree, rewrite, templates
from dsql_dialect.definitions import with_definitions
from dsql_dialect.findings import findings, syntax_finding
from dsql_dialect.plpgsql.bodies import is_plpgsql
from dsql_dialect.plpgsql_bodies import judge
from dsql_dialect.position import Source
from dsql_dialect.prepass import Piece, pieces
from dsql_dialect.rule import Finding
from dsql_dialect.rules import ENCODING, checks, default_refusal, internal_error
from dsql_dialect.statement import NO_TRAITS, Kind, Script, Statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dsql_dialect.plpgsql_bodies import JudgedBody
    from dsql_dialect.profiles import Profile
    from dsql_dialect.rule import Detector, Hit, Node, Rule
    from dsql_dialect.statement import AsyncJob, Traits

KEPT_UP_TO = 32_768
"""Characters of a text that is cached. Longer ones are bulk data, seldom sent twice: they would only fill memory."""

_JOBS: Mapping[str, AsyncJob] = {"IndexStmt": "index", "AlterTableStmt": "validate"}


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that is read in a dialect; `alike` has one INSERT of each shape read so far."""

    source: Source
    profile: Profile
    is_body: bool
    alike: dict[bulk_inserts.Shape, Statement] = field(default_factory=dict)


def parse(sql: str, profile: Profile) -> Script:
    """Parse a text of statements as DSQL does in a dialect.

    Bad SQL never raises: it becomes a statement of kind INVALID whose finding has SQLSTATE 42601 (22021 for a text that
    is not UTF-8). The results of texts of up to `KEPT_UP_TO` characters are cached, for the 4,096 texts used last, and
    those of `templates` for the 1,024 used last.
    """
    return _parse_kept(sql, profile) if len(sql) <= KEPT_UP_TO else _parse(sql, profile)


def _parse(sql: str, profile: Profile, *, is_body: bool = False) -> Script:
    """Read a text; the bodies of functions that a body creates, which DSQL refuses, are not read in turn."""
    try:
        source = Source(sql)
    except UnicodeEncodeError as error:
        return _undecodable(sql, error.start, "an unpaired surrogate")
    if "\0" in sql:
        return _undecodable(sql, sql.index("\0"), "0x00")
    text = _Text(source, profile, is_body)
    return Script(tuple(_statement(text, piece) for piece in pieces(source)))


def _parse_by_template(sql: str, profile: Profile) -> Script:
    """Read a text; if others that differ from it in numbers only were read, take their result."""
    written = templates.template(sql)
    if written is None:
        return _parse(sql, profile)
    return templates.fill(_parse_template(written, profile), written, sql) or _parse(sql, profile)


_parse_kept = lru_cache(maxsize=4096)(_parse_by_template)
_parse_template = lru_cache(maxsize=1024)(_parse)


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


def _statement(text: _Text, piece: Piece) -> Statement:
    try:
        return _judged_once(text, piece)
    except Exception as error:  # any fault of this package: the other statements are read
        source = text.source
        found = findings(source, piece, [internal_error("the dialect", error)], text.profile)
        return _invalid(source.slice(piece.start, piece.end), source, piece.start, found[0])


def _judged_once(text: _Text, piece: Piece) -> Statement:
    """Judge a statement; of INSERT statements of the same shape only the first one, which `alike` then has."""
    insert = piece.tree.get("InsertStmt")
    shape = None if insert is None else bulk_inserts.shape(insert)
    if shape is not None and (known := text.alike.get(shape)) is not None:
        written = text.source.slice(piece.start, piece.end)
        return bulk_inserts.with_text(known, written, text.source.position(piece.start))
    statement = _judged(text.source, piece, text.profile, text.is_body)
    if shape is not None and bulk_inserts.can_stand_for_others(statement):
        text.alike[shape] = statement
    return statement


def _judged(source: Source, piece: Piece, profile: Profile, is_body: bool) -> Statement:
    text = source.slice(piece.start, piece.end)
    if piece.error is not None:
        return _invalid(text, source, piece.start, syntax_finding(source, piece.error))
    if piece.iam is not None:
        position = source.position(piece.start)
        return Statement(
            text=text, position=position, kind=Kind.DDL, node="Iam", backend_sql="", iam=piece.iam
        )
    name, root = json_tree.unwrap(piece.tree)
    table = checks(profile)
    seen = list(json_tree.walk(piece.tree, table.wanted))
    hits = list(_hits(name, root, seen, table.rules))
    found = findings(source, piece, hits, profile) if hits else ()
    body: tuple[Statement, ...] = ()
    if name == "CreateFunctionStmt" and not is_body:
        body = _body(root, profile)
        at = source.position(piece.base + (bodies.place(root) or 0))
        found += tuple(replace(each, position=at) for part in body for each in part.findings)
    kind, traits = classify.classify(name, root, seen)
    judged = _plpgsql(source, piece, name, root, profile, is_body=is_body)
    if judged is not None:
        body, found = judged.statements, (*found, *judged.findings)
        traits = traits if kind is Kind.DDL else replace(judged.traits, returns_rows=False)
    routines = details.routines(seen)
    return Statement(
        text=text,
        position=source.position(piece.start),
        kind=kind,
        node=name.removesuffix("Stmt"),
        backend_sql=_backend_sql(source, piece, root, seen, body) if judged is None else judged.backend_sql,
        findings=found,
        traits=traits,
        async_job=None if piece.blank is None else _JOBS.get(name),
        relations=details.relations(seen).union(
            *(part.relations for part in body), () if judged is None else judged.row_types
        ),
        functions=details.functions(seen).union(*(part.functions for part in body)),
        types=details.types(seen),
        roles=details.roles(name, root) if kind is Kind.DDL else frozenset(),
        new_role=details.new_role(name, root) if kind is Kind.DDL else None,
        has_parameters=details.has_parameters(seen),
        routines=routines,
        routine_traits=_routine_traits(seen, body, judged) if routines else NO_TRAITS,
        has_plpgsql=judged is not None,
        altered_tables=details.altered_tables(name, root) if kind is Kind.DDL else frozenset(),
        on_conflict=details.on_conflict(root, piece.base - piece.start) if name == "InsertStmt" else None,
        rows_inserted=details.rows_inserted(root) if name == "InsertStmt" else 0,
        validates=details.validated_constraint(root) if name == "AlterTableStmt" else None,
        parameter=details.parameter(name, root),
        sets_for_transaction=details.sets_for_transaction(name, root, seen),
        read_only=name == "TransactionStmt" and details.is_read_only(root),
    )


def _backend_sql(
    source: Source, piece: Piece, root: Node, seen: Sequence[tuple[str, Node]], body: Sequence[Statement]
) -> str:
    """Return what PostgreSQL is to run: without ASYNC, and without NOWAIT and SKIP LOCKED: no lock blocks."""
    sql = source.slice(piece.start, piece.end)
    if piece.blank is not None:
        sql = _blanked(source, piece, piece.blank)
    if classify.waits_for_locks_otherwise(seen):
        sql = rewrite.without_lock_waits(sql)
    if any(each.traits.skip_locked or each.traits.nowait for each in body):
        written = bodies.body(root) or ""
        sql = rewrite.with_body(sql, written, rewrite.without_lock_waits(written))
    return sql


def _body(create_function: Node, profile: Profile) -> tuple[Statement, ...]:
    """Return the statements within the body of a SQL function that is written as a string."""
    text = bodies.body(create_function)
    return () if text is None else _parse(text, profile, is_body=True).statements


def _plpgsql(
    source: Source, piece: Piece, name: str, root: Node, profile: Profile, *, is_body: bool
) -> JudgedBody | None:
    """Return the body in PL/pgSQL of a statement, None for any other statement, and in a body: it is refused there."""
    if is_body or not profile.has_plpgsql or not is_plpgsql(name, root):
        return None
    return judge(source, piece, root, lambda sql: _parse(sql, profile, is_body=True))


def _routine_traits(
    seen: Sequence[tuple[str, Node]], body: Sequence[Statement], judged: JudgedBody | None
) -> Traits:
    """Return the actions of the functions and views that a statement creates."""
    traits = classify.traits_of(seen)
    return traits.joined(*(part.traits for part in body)) if judged is None else traits.joined(judged.traits)


def _blanked(source: Source, piece: Piece, blank: tuple[int, int]) -> str:
    start, end = blank
    return source.slice(piece.start, start) + " " * (end - start) + source.slice(end, piece.end)


def _hits(
    name: str,
    root: Node,
    seen: Sequence[tuple[str, Node]],
    rules: Mapping[str, Sequence[tuple[Rule, Detector]]],
) -> Iterator[tuple[Rule, Hit]]:
    yield from default_refusal(name, root)
    for key, node in with_definitions(seen):
        for rule, find in rules.get(key, ()):
            try:
                hits = [*find(node)]
            except Exception as error:  # any fault of a rule: the findings of the others are kept
                yield internal_error(f"rule {rule.id}", error)
                continue
            for hit in hits:
                yield rule, hit
