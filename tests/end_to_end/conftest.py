"""Two apps, each deployed once for these tests: the bank with its own command, the shop in this process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# The jsii process reads it at its start, so it must be set before aws_cdk is imported.
os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

from blocks_cli.local import LocalDeployment
from blocks_cli.synth import synthesize
from tests.end_to_end.shop import stack

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
ORDERS = "CREATE TABLE orders (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), item TEXT NOT NULL);\n"


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """The reference app, synthesized by the command in `cdk.json`, deployed into its own folder."""
    assembly = synthesize(ROOT, tmp_path_factory.mktemp("bank.out"), REGION)
    with LocalDeployment.deploy(assembly, tmp_path_factory.mktemp("bank"), region=REGION) as deployment:
        yield deployment


class Shop:
    """The test app, which can be deployed repeatedly with other migrations."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.migrations = root / "migrations"
        self.migrations.mkdir()
        self._versions = 0
        self.write("001_orders.sql", ORDERS)

    def write(self, name: str, text: str) -> None:
        """Write one migration."""
        (self.migrations / name).write_text(text, encoding="utf-8")

    def deploy(self) -> LocalDeployment:
        """Synthesize and deploy the current files."""
        self._versions += 1
        assembly = stack.synthesize(self.migrations, self.root / f"cdk.out.{self._versions}")
        return LocalDeployment.deploy(assembly, self.root, region=REGION)


@pytest.fixture
def new_shop(tmp_path: Path) -> Shop:
    """An undeployed shop with one migration."""
    return Shop(tmp_path)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """A deployed shop with one table."""
    with Shop(tmp_path_factory.mktemp("shop")).deploy() as deployment:
        yield deployment
