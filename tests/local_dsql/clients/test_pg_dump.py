"""pg_dump without options, through a proxy as AWS has one for clusters: the user's objects and nothing else."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql.postgres import find_binaries
from tests.support.dump_proxy import dump_proxy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_dsql import LocalCluster

SCHEMA = """
CREATE SCHEMA shop;
CREATE DOMAIN shop.price AS numeric(10, 2) CHECK (VALUE >= 0);
CREATE TABLE shop.items (id bigint PRIMARY KEY, name text NOT NULL, cost shop.price, n int CHECK (n > 0));
CREATE TABLE parts (id bigint PRIMARY KEY, item bigint REFERENCES shop.items);
CREATE INDEX ASYNC parts_item ON parts (item);
CREATE FUNCTION shop.twice(x int) RETURNS int LANGUAGE sql IMMUTABLE RETURN 2 * x;
CREATE VIEW named AS SELECT id, name FROM shop.items;
CREATE SEQUENCE numbers CACHE 1;
INSERT INTO shop.items VALUES (1, 'one', 1.5, 1);
INSERT INTO parts VALUES (1, 1);
CREATE ROLE reader WITH LOGIN;
GRANT SELECT (id) ON parts TO reader;
GRANT USAGE ON SCHEMA shop TO reader
"""


def dump(cluster: LocalCluster, *options: str) -> str:
    program = find_binaries().folder / "pg_dump"
    if not program.exists():
        pytest.skip("PostgreSQL 16 has no pg_dump here")
    with dump_proxy(cluster) as proxy:
        place = {"PGHOST": "127.0.0.1", "PGPORT": str(proxy.port), "PGSSLMODE": "disable"}
        answer = subprocess.run(
            [program, *options],
            env=os.environ | cluster.libpq_environment() | place,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


ALWAYS = ("SET ", "SELECT pg_catalog.set_config", "GRANT ALL ON SCHEMA public TO admin;")
"""Settings, and the privilege by which admin creates objects in public."""


def commands(text: str) -> list[str]:
    """Return the first line of each statement of a dump, without settings and comments."""
    return [line for line in text.split("\n") if line[:1].isupper() and not line.startswith(ALWAYS)]


@pytest.mark.parametrize("options", [(), ("--no-owner", "--no-privileges"), ("--schema-only",)])
def test_an_empty_database(dsql: LocalCluster, options: Sequence[str]) -> None:
    assert commands(dump(dsql, *options)) == []


def test_the_objects_of_the_user(dsql: LocalCluster) -> None:
    with psycopg.connect(dsql.dsn(), autocommit=True) as connection:
        for sql in SCHEMA.split(";\n"):
            connection.execute(sql.encode())
        # The engine makes a function for the owner of a table with a domain: not for a dump either.
        with psycopg.connect(dsql.dsn()) as one, psycopg.connect(dsql.dsn()) as two:
            one.execute("UPDATE shop.items SET n = 2")
            two.execute("UPDATE shop.items SET n = 3")
            two.rollback()
            one.commit()
    text = dump(dsql)
    created = [line.split("(")[0].strip() for line in commands(text) if line.startswith("CREATE ")]
    assert created == [
        "CREATE SCHEMA shop;",
        "CREATE DOMAIN shop.price AS numeric",
        "CREATE FUNCTION shop.twice",
        "CREATE TABLE shop.items",
        "CREATE VIEW public.named AS",
        "CREATE SEQUENCE public.numbers",
        "CREATE TABLE public.parts",
        "CREATE INDEX parts_item ON public.parts USING btree_index",
    ]
    assert "COPY shop.items (id, name, cost, n) FROM stdin;\n1\tone\t1.50\t2\n" in text
    granted = [line for line in commands(text) if line.startswith(("GRANT", "REVOKE"))]
    assert granted == [
        "GRANT USAGE ON SCHEMA shop TO reader;",
        "GRANT SELECT(id) ON TABLE public.parts TO reader;",
    ]
    assert not {"local_dsql", "sys."} & set(text.replace("(", " ").split())
