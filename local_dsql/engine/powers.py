"""Calls of the engine's functions in the database (`catalog/70_engine.sql`), which demand a token."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from local_dsql.engine.commands import (
    NO_IMAGES,
    TEXT,
    TID,
    Command,
    Parameter,
    boolean,
    oid,
    oids,
    places,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_dsql.engine.table_shapes import Table, UniqueIndex
    from local_dsql.write_ahead_log.operations import Place

_READ = "SELECT local_dsql_engine.read_rows($1, $2, $3, $4)"
_WRITE = "SELECT local_dsql_engine.write_rows($1, $2, $3, $4, $5)"
_WRITE_AS = "SELECT local_dsql_engine.write_rows_as($1, $2, $3, $4, $5, $6, $7)"
_RECORD_INDEX_JOB = "SELECT local_dsql_engine.record_index_job($1, $2, $3)"
_RECORD_VALIDATION_JOB = (
    "SELECT local_dsql_engine.record_validation_job($1, $2, pg_catalog.to_regclass($3), $4)"
)
_MAP_IDENTITY = "SELECT local_dsql_engine.map_identity($1, $2, $3)"
_UNMAP_IDENTITY = "SELECT local_dsql_engine.unmap_identity($1, $2, $3)"
_SET_UNIQUE = "SELECT local_dsql_engine.set_unique($1, $2, $3)"
_STORE_ROWS_ONLY = "SELECT local_dsql_engine.store_rows_only($1, $2)"
_TOKEN_BYTES = 16


def new_token() -> tuple[Parameter, str]:
    """Return a new token, and the statement with which a superuser makes the database accept only this one."""
    token = secrets.token_hex(_TOKEN_BYTES)
    digest = hashlib.sha256(token.encode()).hexdigest()
    accept = (
        "CREATE OR REPLACE FUNCTION local_dsql_engine.check_token(token text) RETURNS void LANGUAGE plpgsql"
        " SET search_path = pg_catalog, pg_temp AS $$ BEGIN"
        f" IF token IS NULL OR sha256(convert_to(token, 'UTF8')) <> '\\x{digest}'::bytea THEN"
        " RAISE insufficient_privilege USING MESSAGE = 'permission denied'; END IF; END $$"
    )
    return text(token), accept


def read_images(token: Parameter, table: Table, at: Iterable[Place]) -> Command:
    """Return the command that reads the images of the rows at places, as one array."""
    parameters = (token, Parameter(table.row_type, None), text(table.images), places(at))
    return Command(_READ, parameters, binary=True)


def read_size(token: Parameter, table: Table, at: Iterable[Place]) -> Command:
    """Return the command that reads how many bytes the rows at places have, as an array of one number."""
    parameters = (token, Parameter(20, None), text(table.size), places(at))
    return Command(_READ, parameters)


def read_key_size(token: Parameter, table: Table, at: Iterable[Place]) -> Command:
    """Return the command that reads how many bytes the primary keys at places have, as an array of one number."""
    parameters = (token, Parameter(20, None), text(table.key_size), places(at))
    return Command(_READ, parameters)


def read_largest(token: Parameter, table: Table, at: Iterable[Place]) -> Command:
    """Return the command that reads the bytes of the largest row at places, and of the largest value by column."""
    parameters = (token, Parameter(20, None), text(table.largest), places(at))
    return Command(_READ, parameters)


def read_twins(token: Parameter, table: Table, index: UniqueIndex, at: Iterable[Place]) -> Command:
    """Return the command that reads the places of rows and of their twins; the key must not run code of clients."""
    assert index.of_columns or not table.runs_code
    return Command(_READ, (token, Parameter(TID, None), text(table.twins(index)), places(at)), binary=True)


def write_rows(
    token: Parameter,
    table: Table,
    statement: str,
    at: Iterable[Place] = (),
    images: Parameter = NO_IMAGES,
    *,
    restores: bool = False,
) -> Command:
    """Return the command that runs a statement on places and images; its result is the number of rows.

    `restores`: it writes rows that were checked when they were made, so CHECKs that may fail now are left out.
    """
    unchecked = oid(table.oid if restores and table.checks_vary else 0)
    if table.runs_code:
        parameters = (
            token,
            oid(table.owner),
            text(table.schema),
            text(statement),
            places(at),
            images,
            unchecked,
        )
        return Command(_WRITE_AS, parameters)
    return Command(_WRITE, (token, text(statement), places(at), images, unchecked))


def set_unique(token: Parameter, indexes: Iterable[UniqueIndex], value: bool) -> Command:
    """Return the command that switches the uniqueness of indexes off or on for this backend; never committed."""
    return Command(_SET_UNIQUE, (token, oids(index.oid for index in indexes), boolean(value)))


def store_rows_only(token: Parameter, table: Table) -> Command:
    """Return the command that makes this backend store new rows of a table, and nothing else, until a rollback.

    No foreign key checks them, and no index has them.
    """
    return Command(_STORE_ROWS_ONLY, (token, oid(table.oid)))


def read_texts(token: Parameter, statement: str, at: Iterable[Place] = ()) -> Command:
    """Return the command that reads texts, as one array; its statement must not run code of clients."""
    return Command(_READ, (token, Parameter(TEXT, None), text(statement), places(at)), binary=True)


def record_index_job(token: Parameter, job_id: str, unique: bool) -> Command:
    """Return the command that makes the transaction's new index invalid and records its job; false if it has none."""
    return Command(_RECORD_INDEX_JOB, (token, text(job_id), boolean(unique)))


def record_validation_job(token: Parameter, job_id: str, table: str, constraint: str) -> Command:
    """Return the command that records the validation of a constraint of a table; false if it is valid."""
    return Command(_RECORD_VALIDATION_JOB, (token, text(job_id), text(table), text(constraint)))


def map_identity(token: Parameter, role: str, arn: str) -> Command:
    """Return the command that maps an IAM identity to a role; no error if it is mapped already."""
    return Command(_MAP_IDENTITY, (token, text(role), text(arn)))


def unmap_identity(token: Parameter, role: str, arn: str) -> Command:
    """Return the command that removes that mapping."""
    return Command(_UNMAP_IDENTITY, (token, text(role), text(arn)))
