"""Command-line options of the suite, declared only for a pytest run that names the suite.

pytest reads its command line before it reads the conftest.py of a package named with `--pyargs`; a plugin
that the distribution's metadata names is there in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.profiles import NAMES, NEWEST

if TYPE_CHECKING:
    import pytest

SUITE = "local_dsql.conformance"
DEFAULT_DIALECT = NEWEST.name


def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Declare the options where one of the arguments is the suite, by module or by path."""
    if not any(SUITE in argument.replace("/", ".") for argument in args):
        return
    group = parser.getgroup("Aurora DSQL conformance")
    group.addoption(
        "--dsn",
        metavar="DSN",
        help="cluster to ask, as a connection string for libpq; by default a local one is started",
    )
    group.addoption(
        "--dialect",
        choices=NAMES,
        default=DEFAULT_DIALECT,
        help="dialect of the local cluster that is started (default: %(default)s)",
    )
