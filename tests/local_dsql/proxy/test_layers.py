"""The layers of the proxy: no import circle, nothing below that names it, message types spelled in one place."""

from __future__ import annotations

import ast
import graphlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import local_dsql

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(local_dsql.__file__).parent
ENGINE = "local_dsql.engine"
READS_OR_RELAYS = {
    *(
        "connection",
        "encodings",
        "listener",
        "message_checks",
        "message_group",
        "message_queue",
        "parameters",
    ),
    *("parse_cache", "prepared_statements", "protocol", "statement_execution", "errors", "login"),
}
"""Modules of the proxy that read messages, and do not name the engine."""
SPELLS_MESSAGE_TYPES = {"message_types", "messages"}


def modules(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from (PACKAGE / package).glob("*.py")


def imports(module: Path) -> set[str]:
    """Return the modules that a file imports, for types too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_no_circle() -> None:
    """From the listener down to the session, imports for types included."""
    names = {
        f"local_dsql.{path.parent.name}.{path.stem}": path
        for path in modules("proxy", "wire", "jobs")
        if path.stem != "__init__"
    }
    graph = {name: imports(path) & names.keys() for name, path in names.items()}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(names)
    assert not any("proxy" in imported for path in modules("jobs", "wire") for imported in imports(path))


def test_what_reads_messages_does_not_name_the_engine() -> None:
    naming = {
        path.stem for path in modules("proxy") if any(each.startswith(ENGINE) for each in imports(path))
    }
    assert not naming & READS_OR_RELAYS


def test_the_engine_does_not_name_what_uses_it() -> None:
    above = {f"local_dsql.{name}" for name in ("proxy", "jobs", "server", "client", "cluster")}
    named = {each for path in modules("engine") for each in imports(path)}
    assert not any(each in above or each.startswith(tuple(f"{name}." for name in above)) for each in named)


def test_message_types_are_spelled_once() -> None:
    spelled = {
        path.stem
        for path in modules("proxy", "wire", "jobs")
        if re.search(r"""\bb(["'])[A-Za-z0-9]\1""", path.read_text())
    }
    assert spelled <= SPELLS_MESSAGE_TYPES
