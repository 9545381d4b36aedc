"""The extra `cdk`: an app is synthesized; migrator and layer have their code, the migrator the manifest."""

import json
import tempfile
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from blocks import DistributedDatabase

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for file, text in {
        "functions/orders.py": "def handler(event, context): return 1\n",
        "migrations/001_create.sql": "CREATE TABLE orders (id uuid PRIMARY KEY);\n",
    }.items():
        (folder / file).parent.mkdir()
        (folder / file).write_text(text)
    app = cdk.App(outdir=str(folder / "cdk.out"))
    stack = cdk.Stack(app, "Shop")
    orders = lambda_.Function(
        stack,
        "Orders",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="orders.handler",
        code=lambda_.Code.from_asset(str(folder / "functions")),
    )
    DistributedDatabase(stack, "main", migrations=str(folder / "migrations")).grant_connect(orders)
    app.synth()
    out = folder / "cdk.out"
    types = {
        each["Type"]
        for each in json.loads((out / "Shop.template.json").read_text("utf-8"))["Resources"].values()
    }
    assert {"AWS::DSQL::Cluster", "Custom::DsqlMigrations", "Custom::DsqlGrant"} <= types, types
    (manifest,) = out.glob("asset.*/manifest.json")
    assert "orders" in manifest.read_text("utf-8")
    assert (manifest.parent / "lambda_migrator" / "handler.py").is_file()
    assert (manifest.parent / "custom_resource").is_dir()
    layers = list(out.glob("asset.*/python/blocks_runtime"))  # one for each Python
    assert layers
    assert all((each.parent / "psycopg" / "__init__.py").is_file() for each in layers)
