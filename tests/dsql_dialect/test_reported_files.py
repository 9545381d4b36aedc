"""Files that were reported as misread: one row for each report, with everything that is found in them.

The same reports against the local database are in `tests/local_dsql/test_reported_statements.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.dsql_dialect.migration_faults import faults

if TYPE_CHECKING:
    from pathlib import Path


class Report(NamedTuple):
    """Files, and `file:line:column rule` of all that is found; `remedy` is part of one remedy, `why` of one reason."""

    files: dict[str, str]
    found: list[str]
    why: str = ""
    remedy: str = ""


KEYED = "CREATE TABLE orders (id bigint PRIMARY KEY, note text);\n"

REPORTS = {
    "a column without a type in a partition": Report(
        {"001_p.sql": "CREATE TABLE y PARTITION OF x (zone DEFAULT 'a') FOR VALUES FROM (1) TO (2);"},
        ["001_p.sql:1:16 partition-of"],
        why="PARTITION OF clause not supported",
    ),
    "a column without a type in a typed table": Report(
        {"001_o.sql": "CREATE TABLE y OF x (n WITH OPTIONS DEFAULT 1);"},
        ["001_o.sql:1:16 typed-table"],
        why="OF clause not supported",
    ),
    "rows of COPY in a dump": Report(
        {
            "001_d.sql": "CREATE TABLE public.pets (id integer, name text);\nCOPY public.pets (id, name) FROM stdin;\n"
            "1\tRex\n2\tO'Malley\n\\.\nCREATE INDEX pets_name ON public.pets USING btree (name);\n"
            "TRUNCATE public.pets;\n"
        },
        [
            "001_d.sql:2:1 copy-in-migration",
            "001_d.sql:2:1 ddl-beside-dml",
            "001_d.sql:6:1 one-ddl-per-file",
            "001_d.sql:6:39 index-using",
            "001_d.sql:6:8 create-index-sync",
            "001_d.sql:7:1 ddl-beside-dml",
            "001_d.sql:7:1 truncate",
        ],
    ),
    "a primary key that is dropped": Report(
        {"001_t.sql": KEYED, "002_d.sql": "ALTER TABLE orders DROP CONSTRAINT orders_pkey;"},
        ["002_d.sql:1:1 drop-primary-key"],
        why="unsupported ALTER TABLE DROP CONSTRAINT statement",
    ),
    "an index as pg_dump writes it": Report(
        {"001_i.sql": "CREATE INDEX orders_note ON orders USING btree (note);"},
        ["001_i.sql:1:36 index-using", "001_i.sql:1:8 create-index-sync"],
        remedy="Write CREATE INDEX ASYNC; the migrator waits for the build.",
    ),
    "the part that undoes in node-pg-migrate": Report(
        {"001_n.sql": "-- Up Migration\nINSERT INTO a VALUES (1);\n-- Down Migration\nDELETE FROM a;\n"},
        ["001_n.sql:3:1 down-section"],
        remedy="do not move its statements",
    ),
    "the file that undoes in golang-migrate": Report(
        {"000001_a.up.sql": KEYED, "000001_a.down.sql": "DROP TABLE orders;"},
        ["000001_a.down.sql:1:1 down-file"],
        remedy="do not run its statements under another name",
    ),
    "a folder of folders": Report(
        {"0_init/migration.sql": KEYED},
        [":1:1 migrations-in-subfolders"],
        why="`0_init` below it: sub-folders are not read",
    ),
    "setval in a dump": Report(
        {"001_s.sql": "SELECT pg_catalog.setval('public.numbers', 42, true);"},
        ["001_s.sql:1:1 setval-in-migration"],
        remedy="ALTER SEQUENCE public.numbers RESTART WITH 43",
    ),
    "a function of PostgreSQL 18": Report(
        {"001_u.sql": "CREATE TABLE t (id uuid PRIMARY KEY DEFAULT uuidv7());"},
        ["001_u.sql:1:45 later-function"],
        remedy="gen_random_uuid()",
    ),
    "an owner that no cluster has": Report(
        {"001_t.sql": KEYED, "002_o.sql": "ALTER TABLE orders OWNER TO postgres;"},
        ["002_o.sql:1:1 unknown-role"],
        why='role "postgres" does not exist',
    ),
    "a parameter of DSQL's own": Report(
        {"001_s.sql": "SET disable_sync_create_index = off;"}, ["001_s.sql:1:1 session-in-migration"]
    ),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_what_is_found_in_reported_files(tmp_path: Path, report: Report) -> None:
    found = faults(tmp_path, report.files)
    places = [
        f"{'' if each.path == tmp_path else each.path.name}:{each.line}:{each.column} {each.rule.id}"
        for each in found
    ]
    assert sorted(places) == sorted(report.found)
    assert any(report.why in each.why for each in found)
    assert any(report.remedy in each.remedy for each in found)
