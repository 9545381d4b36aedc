"""docs/operations.md: each recipe is deployed locally as the page writes it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import psycopg
import pytest
from aws_cdk import aws_lambda as lambda_

from blocks_cli.json_value import Json, mapping, text
from blocks_cli.lambda_.service import LambdaService
from blocks_cli.local import Action, LocalDeployment
from local_dsql import LocalCluster
from tests.end_to_end.conftest import ORDERS, REGION, ROOT
from tests.end_to_end.test_uninterrupted_access import RUNTIME
from tests.support.code_blocks import Block, blocks_of

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
FIRST = """
db = DistributedDatabase(self, "main", migrations="migrations/")
db.grant_connect(orders)
"""
COUNT = """
from blocks_runtime import DistributedDatabase, sql
db = DistributedDatabase("{}")
def handler(event, context):
    if event:
        db.execute(sql("INSERT INTO orders (item) VALUES ('tea')"))
    return len(db.query(sql("SELECT id FROM orders")))
"""
MAPPINGS = "SELECT DISTINCT pg_role_name FROM sys.iam_pg_role_mappings ORDER BY 1"
IDENTIFIER = "abcdefghijklmnopqrstuvwxyz"


PRELUDE, *RECIPES = (
    block.body for block in blocks_of(ROOT / "docs" / "operations.md") if block.language == "python"
)


def recipe(title: str) -> str:
    """Return the first example below a title."""
    below = PAGE.partition(f"\n## {title}\n")[2]
    assert below, title
    return next(each for each in RECIPES if f"```python\n{each}```" in below)


def test_every_example_is_a_recipe(page_blocks: list[Block]) -> None:
    """Each example is that of a title, which a test deploys."""
    assert [PRELUDE, *map(recipe, TITLES)] == [block.body for block in page_blocks]
    source = Path(__file__).read_text("utf-8")
    assert [title for title in TITLES if f'recipe("{title}")' not in source] == []


TITLES = (
    "Rename the id of a database",
    "A cluster was deleted by hand",
    "Adopt a retained cluster",
    "A database for each pull request",
)


def synthesize(root: Path, code: str, name: str = "main", context: Mapping[str, str] | None = None) -> Path:
    """Synthesize the stack `Shop` with a function, and `code` in its body."""
    output = root / f"cdk.out.{len(list(root.glob('cdk.out.*')))}"
    app = cdk.App(outdir=str(output), context={**(context or {})})
    stack = cdk.Stack(app, "Shop")
    orders = lambda_.Function(
        stack,
        "Orders",
        runtime=RUNTIME,
        handler="index.handler",
        code=lambda_.Code.from_inline(COUNT.format(name)),
        timeout=cdk.Duration.seconds(30),
    )
    names: dict[str, Any] = {"self": stack, "orders": orders}
    exec(PRELUDE + code.replace('"migrations/"', f'"{root / "migrations"}"'), names)
    app.synth()
    return output


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "001_orders.sql").write_text(ORDERS, "utf-8")
    return tmp_path


def first(root: Path) -> tuple[LocalDeployment, LocalCluster]:
    """Deploy the app before a recipe, with one row; return it with a handle that keeps the database running."""
    deployment = LocalDeployment.deploy(synthesize(root, FIRST), root, region=REGION)
    assert deployment.invoke("Shop/Orders", {"add": True}).payload == 1
    return deployment, LocalCluster(root / ".blocks" / "local" / "main").start()


def clusters(deployment: LocalDeployment) -> list[Action]:
    """Return the changes of clusters."""
    return [c.action for each in deployment.changes.values() for c in each if c.type == "AWS::DSQL::Cluster"]


@pytest.mark.slow
def test_rename_the_id(root: Path) -> None:
    deployment, kept = first(root)
    deployment.close()
    with (
        kept,
        LocalDeployment.deploy(
            synthesize(root, recipe("Rename the id of a database"), "orders"), root, region=REGION
        ) as renamed,
    ):
        assert clusters(renamed) == [Action.KEEP]
        assert renamed.migrations_applied == ()
        result = renamed.invoke("Shop/Orders", {"add": True})
        assert result.payload == 2, result.error_message
        assert query(renamed, MAPPINGS) == ["blocks_orders_read_write"]


def query(deployment: LocalDeployment, statement: str) -> list[str]:
    """Return the first column of a query as admin."""
    with psycopg.connect(deployment.clusters[0].dsn()) as connection:
        return [str(row[0]) for row in connection.execute(statement.encode()).fetchall()]


@pytest.mark.slow
def test_a_cluster_was_deleted_by_hand(root: Path) -> None:
    deployment, kept = first(root)
    plane, identifier = deployment._account.control_plane, kept.identifier
    plane.update(REGION, identifier, {"deletionProtectionEnabled": False})
    plane.delete(REGION, identifier)
    deployment.close()
    kept.close()
    with LocalDeployment.deploy(
        synthesize(root, recipe("A cluster was deleted by hand")), root, region=REGION
    ) as again:
        assert clusters(again) == [Action.CREATE, Action.RETAIN]
        assert again.migrations_applied == ("001_orders",)
        result = again.invoke("Shop/Orders", {"add": True})
        assert result.payload == 1, result.error_message


READS = """
db = DistributedDatabase(self, "main", migrations="migrations/")
db.grant_read(orders)
"""


@pytest.mark.slow
def test_a_restored_backup_has_the_present_grants(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """At the time of the backup the function could write, and another one had a grant."""
    both = FIRST + "db.grant_connect(cdk.aws_iam.User(self, 'Gone'))"
    LocalDeployment.deploy(synthesize(root, both), root, region=REGION).close()
    backup = tmp_path_factory.mktemp("backup") / "cluster"
    shutil.copytree(root / ".blocks" / "local" / "main", backup, symlinks=True)
    LocalDeployment.deploy(synthesize(root, READS), root, region=REGION).close()
    code = recipe("Adopt a retained cluster").replace("grant_connect", "grant_read")
    imported = {IDENTIFIER: str(backup)}
    with LocalDeployment.deploy(synthesize(root, code), root, region=REGION, clusters=imported) as restored:
        (mapped,) = rows(backup)
        assert mapped.startswith("blocks_main_read_only arn:")
        assert restored.invoke("Shop/Orders", {}).payload == 0
    none = code.partition("db.grant_read")[0]
    LocalDeployment.deploy(synthesize(root, none), root, region=REGION, clusters=imported).close()
    assert rows(backup) == []


def rows(folder: Path) -> list[str]:
    """Return the mappings of the cluster in a folder."""
    with LocalCluster(folder) as cluster, psycopg.connect(cluster.dsn()) as connection:
        found = connection.execute(b"SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings").fetchall()
        return [" ".join(map(str, row)) for row in found]


@pytest.mark.slow
def test_adopt_a_retained_cluster(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    deployment, kept = first(root)
    deployment.destroy()
    deployment.close()
    folder = tmp_path_factory.mktemp("new-project")
    code = recipe("Adopt a retained cluster").replace('"migrations/"', f'"{root / "migrations"}"')
    with (
        kept,
        LocalDeployment.deploy(
            synthesize(folder, code), folder, region=REGION, clusters={IDENTIFIER: str(root)}
        ) as adopted,
    ):
        assert adopted.migrations_applied == ()
        result = adopted.invoke("Shop/Orders", {"add": True})
        assert result.payload == 2, result.error_message


def test_a_database_for_each_pull_request(root: Path) -> None:
    code = recipe("A database for each pull request")
    for number in ("5", "6"):
        synthesized = synthesize(root, code, context={"pr": number})
        (file,) = synthesized.glob(f"*Preview{number}*.template.json")
        resources = json.loads(file.read_text("utf-8"))["Resources"].values()
        (cluster,) = (each for each in resources if each["Type"] == "AWS::DSQL::Cluster")
        assert cluster["DeletionPolicy"] == "Delete"
        assert cluster["Properties"]["DeletionProtectionEnabled"] is False


READ_ONLY = FIRST.replace("(orders)", '(orders, access="READ_ONLY")').replace(
    '"READ_ONLY"', "Access.READ_ONLY"
)


@pytest.mark.slow
def test_a_late_retry_of_an_abandoned_request(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request of two deploys arrives again after the second: no access changes."""
    sent: list[tuple[str, Json]] = []
    start = LambdaService.start

    def recording(self: LambdaService, arn: str, event: Json, done: Any = None) -> None:
        sent.append((arn, event))
        start(self, arn, event, done)

    monkeypatch.setattr(LambdaService, "start", recording)
    deployment, kept = first(root)
    deployment.close()
    code = f"from blocks import Access\n{READ_ONLY}"
    with kept, LocalDeployment.deploy(synthesize(root, code), root, region=REGION) as changed:
        before = query(changed, MAPPINGS)
        assert before == ["blocks_main_read_only"]
        requests = [(arn, event) for arn, event in sent if text(mapping(event).get("RequestType"))]
        assert [mapping(event)["RequestType"] for _, event in requests] == [
            *("Create", "Create", "Update", "Delete"),
        ]
        for arn, event in requests[:-1]:
            changed._account.functions.invoke(arn, event)
        assert changed.invoke("Shop/Orders").payload == 1
        assert query(changed, MAPPINGS) == before


def test_the_permissions_name_every_resource_type() -> None:
    named = set(re.findall(r"`((?:AWS|Custom)::[\w:]+)`", PAGE.partition("\n## Permissions of the role")[2]))
    snapshots = ROOT / "tests" / "blocks" / "__snapshots__"
    found = [
        match
        for name in ("test_database", "test_multi_region")
        for file in (snapshots / name).glob("*.json")
        for match in re.findall(r'"Type": "((?:AWS|Custom)::[\w:]+)"', file.read_text("utf-8"))
    ]
    assert found
    assert {*found} <= named
