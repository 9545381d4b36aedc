"""Index builds longer than an invocation: the migration function invokes itself through the Lambda API and continues.

Only two numbers differ from AWS: invocations take seconds instead of minutes, and builds seconds instead of hours.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_cli.errors import CommandError
from blocks_cli.local import LocalDeployment, Report
from tests.end_to_end.shop import stack

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from tests.end_to_end.conftest import Shop

INVOCATION = 24
"""Seconds that an invocation may take, of which it works for two thirds; the rest is for calling itself."""
BUILD = 40.0
"""Seconds that a build takes: more than two invocations."""


class Log(Report):
    """Records the output of the migration function."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def output(self, function: FunctionConfiguration, line: str) -> None:
        self.lines.append(line)

    @property
    def invocations(self) -> int:
        """Number of invocations for the custom resource."""
        return sum(
            bool(re.search(r"(Create|Update) of \w+ in arn:aws:cloudformation", line)) for line in self.lines
        )


def deploy(shop: Shop, log: Log) -> LocalDeployment:
    """Deploy with a short timeout of the migration function."""
    number = len([*shop.root.glob("short.*")])
    assembly = stack.synthesize(shop.migrations, shop.root / f"short.{number}")
    _shorten(assembly / "Shop.template.json")
    return LocalDeployment.deploy(assembly, shop.root, report=log)


def _shorten(template: Path) -> None:
    content = json.loads(template.read_text())
    functions = [
        resource["Properties"]
        for resource in content["Resources"].values()
        if resource["Properties"].get("Handler") == "lambda_migrator.handler.handler"
    ]
    functions[0]["Timeout"] = INVOCATION
    template.write_text(json.dumps(content))


def rows(deployment: LocalDeployment, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(deployment.clusters[0].dsn()) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.slow
def test_a_long_build_is_awaited_by_several_invocations(new_shop: Shop) -> None:
    log = Log()
    with deploy(new_shop, log) as first:
        first.clusters[0].delay_jobs(BUILD)
        new_shop.write("002_index.sql", "CREATE INDEX ASYNC orders_item ON orders (item);\n")
        new_shop.write("003_rows.sql", "INSERT INTO orders (item) VALUES ('tea'), ('tea');\n")
        log.lines.clear()
        with deploy(new_shop, log) as second:
            assert second.migrations_applied == ("002_index", "003_rows")
            assert rows(second, "SELECT name, state, statement FROM _migrations ORDER BY version") == [
                ("001_orders", "applied", 1),
                ("002_index", "applied", 1),
                ("003_rows", "applied", 1),
            ]
            assert rows(second, "SELECT count(*) FROM sys.jobs WHERE job_type = 'INDEX_BUILD'") == [(1,)]
        assert log.invocations >= 3, log.lines

        new_shop.write(
            "004_unique.sql", "-- one of each\nCREATE UNIQUE INDEX ASYNC one_each ON orders (item);\n"
        )
        log.lines.clear()
        with pytest.raises(CommandError) as failed:
            deploy(new_shop, log)
        assert log.invocations >= 3, log.lines
        assert "004_unique.sql:2:1: the index one_each could not be built" in str(failed.value)
        assert "Found duplicate key while validating index for UCVs" in str(failed.value)
        assert rows(first, "SELECT 1 FROM pg_class WHERE relname = 'one_each'") == [], "it is dropped"
