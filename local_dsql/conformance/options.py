"""Command-line options of the suite, added only to a pytest run of the suite.

pytest parses its command line before it reads the conftest.py of a package given with `--pyargs`; a plugin in the
distribution's entry points is loaded in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.profiles import NAMES, RECORDED

if TYPE_CHECKING:
    import pytest

SUITE = "local_dsql.conformance"
DEFAULT_DIALECT = RECORDED.name


def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Add the options if an argument is the suite, as module or as path."""
    if not any(SUITE in argument.replace("/", ".") for argument in args):
        return
    group = parser.getgroup("Aurora DSQL conformance")
    group.addoption(
        "--dsn",
        metavar="DSN",
        help="libpq connection string of the cluster to test; by default a local cluster is started",
    )
    group.addoption(
        "--dialect",
        choices=NAMES,
        default=DEFAULT_DIALECT,
        help="SQL dialect of the local cluster (default: %(default)s)",
    )
