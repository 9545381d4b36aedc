"""`local-dsql env|dsn|url`: what another program needs to connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_runtime.contract import ADMIN_ROLE
from local_dsql.cli.errors import Failure
from local_dsql.cli.options import path_option, running
from local_dsql.connection_settings import FORMATS, URLS, ConnectionSettings
from local_dsql.errors import LocalDatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OPTIONS = (
    path_option,
    click.option("--role", default=ADMIN_ROLE, show_default=True, help="Database role."),
    click.option("--region", help="Region to connect to; the default is the first."),
    click.option(
        "--short-password",
        "short",
        is_flag=True,
        help="A password of 35 characters, for tools that cut tokens; the local database alone accepts it.",
    ),
)


def _connection_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(short_help="Print environment variables for clients.")
@_connection_options
@click.option(
    "--format",
    "form",
    type=click.Choice([*FORMATS]),
    default="shell",
    show_default=True,
    help="Lines for a shell or a .env file, or a JSON object.",
)
def env(path: Path, role: str, region: str | None, short: bool, form: str) -> None:
    """Print the environment variables of libpq, DATABASE_URL and NODE_EXTRA_CA_CERTS, valid for a week.

    For this shell: eval "$(local-dsql env)". The cluster must be running: start it with `local-dsql start`.
    """
    click.echo(FORMATS[form](_settings(path, role, region, short).environment()))


@click.command(short_help="Print a connection string of keywords and values.")
@_connection_options
def dsn(path: Path, role: str, region: str | None, short: bool) -> None:
    """Print libpq's connection string of keywords and values, valid for a week: host=localhost port=…"""
    click.echo(_settings(path, role, region, short).dsn())


@click.command(short_help="Print a connection URL.")
@_connection_options
@click.option(
    "--for",
    "client",
    type=click.Choice([*URLS]),
    default="libpq",
    show_default=True,
    help="Kind of client that reads the URL.",
)
def url(path: Path, role: str, region: str | None, short: bool, client: str) -> None:
    """Print a connection URL, valid for a week: postgresql://admin:…@localhost:…/postgres?…

    That for JDBC has a short password: Java sends no server name (SNI) for localhost, which a token needs.
    """
    click.echo(_settings(path, role, region, short or client == "jdbc").url(client))


def _settings(path: Path, role: str, region: str | None, short: bool) -> ConnectionSettings:
    """Return the settings for a running cluster.

    Raises:
        click.ClickException: it is not running, or has no such Region; or the role cannot log in.
    """
    with running(path) as cluster:
        try:
            return ConnectionSettings.of(cluster, role, region, short=short)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        except LocalDatabaseError as error:
            raise Failure(str(error)) from None
