"""CALL sys.wait_for_job with identifiers of no job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from local_dsql import LocalCluster


@pytest.mark.parametrize(
    "identifier", ["", "x", "a" * 25, "a" * 25 + "1", "00000000-0000-0000-0000-000000000000"]
)
def test_an_invalid_job_id_is_an_error(shared_cluster: LocalCluster, identifier: str) -> None:
    with psycopg.connect(shared_cluster.dsn(), autocommit=True) as connection:
        with pytest.raises(
            psycopg.errors.InvalidTextRepresentation, match=r"^Unable to convert text to UUID"
        ):
            connection.execute("CALL sys.wait_for_job(%s)", [identifier])


def test_an_identifier_of_no_job_is_not_waited_for(shared_cluster: LocalCluster) -> None:
    with psycopg.connect(shared_cluster.dsn(), autocommit=True) as connection:
        assert connection.execute("CALL sys.wait_for_job(%s)", ["a" * 26]).fetchone() == (False,)
