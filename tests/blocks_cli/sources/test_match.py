"""The folder that an asset was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks_cli.sources.files import files_below
from blocks_cli.sources.match import find_source

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = {
    "app.py": "app",
    "functions/orders.py": "orders",
    "functions/lib/shared.py": "shared",
    "other/orders.py": "other orders",
    "empty/__init__.py": "",
    "node_modules/x/orders.py": "orders",
}

ASSETS: dict[str, tuple[dict[str, str], str | None]] = {
    "equal": ({"orders.py": "orders", "lib/shared.py": "shared"}, "functions"),
    "with excluded files": ({"orders.py": "orders"}, "functions"),
    "with packages": (
        {"orders.py": "orders", "lib/shared.py": "shared", "psycopg/__init__.py": ""},
        "functions",
    ),
    "another": ({"orders.py": "other orders"}, "other"),
    "inner": ({"shared.py": "shared"}, "functions/lib"),
    "root": ({"app.py": "app", "other/orders.py": "other orders"}, "."),
    "changed": ({"orders.py": "changed"}, None),
    "unknown": ({"index.py": "orders"}, None),
    "excluded and packages": ({"orders.py": "orders", "psycopg/__init__.py": ""}, None),
}


@pytest.mark.parametrize("case", ASSETS.values(), ids=ASSETS)
def test_source(tmp_path: Path, case: tuple[dict[str, str], str | None]) -> None:
    asset, expected = case
    for folder, files in (("project", PROJECT), ("asset", asset)):
        for name, content in files.items():
            file = tmp_path / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    project = tmp_path / "project"
    assert find_source(tmp_path / "asset", project, files_below(project)) == expected


def test_two_equal_folders_are_not_certain(tmp_path: Path) -> None:
    for folder in ("project/a", "project/b", "asset"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.py").write_text("x")
    project = tmp_path / "project"
    assert find_source(tmp_path / "asset", project, files_below(project)) is None
