"""Several versions of an app's migrations, including a refused and a failing one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_cli.errors import CommandError
from blocks_cli.local.plan import Action
from tests.end_to_end.conftest import ROOT

if TYPE_CHECKING:
    from blocks_cli.local import LocalDeployment
    from tests.end_to_end.conftest import Shop


def journal(deployment: LocalDeployment) -> list[tuple[str, str]]:
    """Return the time of application of each migration."""
    with psycopg.connect(deployment.clusters[0].dsn()) as connection:
        rows = connection.execute("SELECT name, applied_at FROM _migrations ORDER BY version").fetchall()
    return [(str(name), str(at)) for name, at in rows]


def touched(deployment: LocalDeployment) -> set[str]:
    """Return the types of the resources that the last deploy changed."""
    return {change.type for change in deployment.changes["Shop"] if change.action is not Action.KEEP}


@pytest.mark.slow
def test_a_later_deploy_applies_only_what_is_new(new_shop: Shop) -> None:
    with new_shop.deploy() as first:
        before = journal(first)
        assert [name for name, _ in before] == ["001_orders"]
    with new_shop.deploy() as same:
        assert touched(same) == set()
    new_shop.write("002_seed.sql", "INSERT INTO orders (item) VALUES ('tea'), ('coffee');\n")
    with new_shop.deploy() as second:
        assert touched(second) == {"AWS::Lambda::Function", "Custom::DsqlMigrations"}
        assert [name for name, _ in journal(second)] == ["001_orders", "002_seed"]
        assert journal(second)[0] == before[0]
        assert second.invoke("Reader", {"sql": "SELECT item FROM orders ORDER BY 1"}).payload == [
            ["coffee"],
            ["tea"],
        ]


def test_a_failed_migration_is_corrected_by_the_next_deploy(new_shop: Shop) -> None:
    """The migration reads a table that does not exist, which a parser cannot detect."""
    new_shop.write("002_copy.sql", "INSERT INTO orders (item)\nSELECT item FROM ancient_orders;\n")
    with pytest.raises(CommandError) as failed:
        new_shop.deploy()
    assert "002_copy.sql:2:18" in str(failed.value)
    assert "42P01" in str(failed.value)
    assert 'relation "ancient_orders" does not exist' in str(failed.value)
    new_shop.write("002_copy.sql", "INSERT INTO orders (item) VALUES ('tea');\n")
    with new_shop.deploy() as mended:
        assert [name for name, _ in journal(mended)] == ["001_orders", "002_copy"]


def test_a_migration_that_dsql_refuses_fails_the_synth(new_shop: Shop) -> None:
    new_shop.write("002_clear.sql", "-- start anew\n\n  TRUNCATE orders;\n")
    app = [
        sys.executable,
        "-m",
        "tests.end_to_end.shop.app",
        str(new_shop.migrations),
        str(new_shop.root / "out"),
    ]
    done = subprocess.run(app, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    last_words = done.stderr[done.stderr.rindex("Error") :]
    for part in ("002_clear.sql:3:3", "truncate", "unsupported statement: Truncate", "0A000", "DELETE FROM"):
        assert part in last_words, done.stderr
