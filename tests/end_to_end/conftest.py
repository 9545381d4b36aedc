"""Two apps, each synthesized and deployed once for all tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blocks_cli.local import LocalDeployment
from blocks_cli.synth import synthesize

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
ORDERS = "CREATE TABLE orders (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), item TEXT NOT NULL);\n"


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """The reference app, deployed into a folder of its own."""
    assembly = synthesize(ROOT, tmp_path_factory.mktemp("bank.out"), REGION)
    with LocalDeployment.deploy(assembly, tmp_path_factory.mktemp("bank"), region=REGION) as deployment:
        yield deployment


class Shop:
    """The test app, which can be deployed again with other migrations."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.migrations = root / "migrations"
        self.migrations.mkdir()
        patch.setenv("SHOP_MIGRATIONS", str(self.migrations))

    def write(self, name: str, text: str) -> None:
        """Write one migration."""
        (self.migrations / name).write_text(text, encoding="utf-8")

    def deploy(self) -> LocalDeployment:
        """Synthesize and deploy what is there now."""
        app = f"{sys.executable} {Path(__file__).parent / 'shop' / 'app.py'}"
        return LocalDeployment.deploy(synthesize(ROOT, self.root / "cdk.out", REGION, app), self.root)


@pytest.fixture
def new_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop that is not deployed yet and has one migration."""
    shop = Shop(tmp_path, monkeypatch)
    shop.write("001_orders.sql", ORDERS)
    return shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """A deployed shop with one table."""
    with pytest.MonkeyPatch.context() as patch:
        new = Shop(tmp_path_factory.mktemp("shop"), patch)
        new.write("001_orders.sql", ORDERS)
        with new.deploy() as deployment:
            yield deployment
