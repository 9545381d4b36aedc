"""Functions of sys, and set_config()."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.cluster import Cluster


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with cluster.connect() as connection:
        yield connection


@pytest.mark.parametrize(
    "value", [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), *(uuid.uuid4() for _ in range(20))]
)
def test_identifiers_in_base32(admin: psycopg.Connection[Any], value: uuid.UUID) -> None:
    """As job ids are written."""
    text = base64.b32encode(value.bytes).decode().rstrip("=").lower()
    row = admin.execute(
        "SELECT sys.uuid_to_base32_str(%s), sys.base32_str_to_uuid(%s)", (value, text)
    ).fetchone()
    assert row == (text, value)


@pytest.mark.parametrize("text", ["", "a" * 25, "a" * 27, "A" * 26, "1" * 26, "a" * 25 + "b"])
def test_what_is_no_identifier(admin: psycopg.Connection[Any], text: str) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match=r"^Unable to convert text to UUID"):
        admin.execute("SELECT sys.base32_str_to_uuid(%s)", (text,))


def test_a_job_id_is_one(admin: psycopg.Connection[Any]) -> None:
    admin.execute("CREATE TABLE IF NOT EXISTS identified (id int)")
    row = admin.execute("CREATE INDEX ASYNC ON identified (id)").fetchone()
    assert row is not None
    admin.execute("CALL sys.wait_for_job(%s)", row)
    assert admin.execute("SELECT sys.uuid_to_base32_str(sys.base32_str_to_uuid(%s))", row).fetchone() == row


def test_the_cluster_and_the_session(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    admin.execute("RESET ALL")
    row = admin.execute(
        "SELECT sys.iam_session_user(), sys.cluster_size() BETWEEN 1 AND sys.cluster_size_limit()"
    ).fetchone()
    assert row == ("arn:aws:iam::000000000000:role/administrator", True)
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        admin.execute("SET local_dsql.principal = 'another'")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        admin.execute("SELECT set_config(%s, 'another', false)", ("local_dsql.principal",))


@pytest.mark.parametrize(
    "name", ["role", "session_authorization", "session_replication_role", "Work_Mem", "a.b"]
)
def test_set_config_sets_what_set_may_set(admin: psycopg.Connection[Any], name: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=f'setting configuration parameter "{name}"'):
        admin.execute("SELECT set_config(%s, 'postgres', false)", (name,))
    assert admin.execute("SELECT set_config(%s, %s, false)", ("TimeZone", "Asia/Tokyo")).fetchone() == (
        "Asia/Tokyo",
    )
    assert admin.execute("SHOW timezone").fetchone() == ("Asia/Tokyo",)
    admin.execute("SELECT pg_catalog.set_config('search_path', 'one, public', false)")
    assert admin.execute("SHOW search_path").fetchone() == ("one, public",)


def test_set_config_outlives_parking(cluster: Cluster) -> None:
    with cluster.connect() as admin:
        admin.execute("CREATE TABLE IF NOT EXISTS configured (id int PRIMARY KEY, v text)")
        admin.execute("INSERT INTO configured VALUES (1, '') ON CONFLICT DO NOTHING")
    with cluster.connect(autocommit=False) as one, cluster.connect(autocommit=False) as two:
        one.execute(
            "SELECT set_config('search_path', 'public, sys', false), set_config('TimeZone', 'Asia/Tokyo', false)"
        )
        one.execute("UPDATE configured SET v = 'one' WHERE id = 1")
        two.execute("UPDATE configured SET v = 'two' WHERE id = 1")
        assert one.execute("SHOW timezone").fetchone() == ("Asia/Tokyo",)
        one.commit()
        assert one.execute("SHOW search_path").fetchone() == ("public, sys",)
        two.rollback()
        one.rollback()
        one.execute("SELECT set_config('TimeZone', 'Asia/Seoul', true)")
        one.execute("UPDATE configured SET v = 'one' WHERE id = 1")
        two.execute("UPDATE configured SET v = 'two' WHERE id = 1")
        assert one.execute("SHOW timezone").fetchone() == ("Asia/Seoul",)
        one.commit()
        assert one.execute("SHOW timezone").fetchone() == ("Asia/Tokyo",)
        two.rollback()
