"""The list of modules in the engine's docstring: complete, and in the order of the imports."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from local_dsql import engine

FOLDER = Path(str(engine.__file__)).parent
PREFIX = f"{engine.__name__}."
LISTED = re.findall(r"^    (\w+)  +\S", engine.__doc__ or "", re.MULTILINE)


def imported(module: str) -> set[str]:
    """Return the modules of the engine that one of them imports, for types too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == engine.__name__:
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PREFIX):
            found.add(node.module.removeprefix(PREFIX))
    return found


def test_every_module_is_listed_once() -> None:
    assert sorted(LISTED) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def test_a_module_imports_only_modules_above_it() -> None:
    above: set[str] = set()
    for module in LISTED:
        assert not (below := imported(module) - above), f"{module} imports {sorted(below)}, listed below it"
        above.add(module)
