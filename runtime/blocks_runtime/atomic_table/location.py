"""Location of a table: from the variables that the grants set, or the project's local DynamoDB."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..contract import TableVariables
from ..errors import ConfigurationError
from ..shared import credentials
from ..shared.local_service import Block, local_name
from ..signing import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ENDPOINTS = ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL")
"""Variables of all AWS SDKs (AWS SDKs reference guide, "Service-specific endpoints")."""

LOCAL_REGION = "us-east-1"


_TABLE = Block(
    noun="table",
    variable="TABLE",
    service="the local DynamoDB",
    instead="table",
    grant="table.grant_read_write(fn)",
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Host and port of DynamoDB, the value of the header `host`, the path, and the Region to sign for."""

    host: str
    port: int
    header: str
    path: str
    region: str
    tls: bool
    ca: str | None = None
    """File of the accepted certificate authorities; None: Amazon's roots."""


@dataclass(frozen=True, slots=True)
class TableLocation:
    """Endpoint and name of a table, provider of credentials, and a function to detach."""

    endpoint: Endpoint
    table: str
    credentials: Callable[[], Credentials]
    release: Callable[[], None]


def locate(name: str, environ: Mapping[str, str], directory: Path) -> TableLocation:
    """Return the location of the table `name` for an environment and a working directory.

    Raises:
        ConfigurationError: the variables are missing in Lambda or incomplete, the local DynamoDB is not installed or
            does not start, or the settings of the project cannot be read.
    """
    variables = _TABLE.variables(name, environ, TableVariables.read)
    if variables is None:
        return _local(name, directory)
    endpoint = endpoint_of(variables.region, environ)
    return TableLocation(endpoint, variables.table, credentials.provider(environ), lambda: None)


def endpoint_of(region: str, environ: Mapping[str, str]) -> Endpoint:
    """Return DynamoDB's endpoint in a Region, or the one that the environment names for all AWS SDKs.

    Raises:
        ConfigurationError: the URL in the environment is none.
    """
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        for variable in _ENDPOINTS:
            if url := environ.get(variable):
                return parse_endpoint(url, region, variable, environ.get("AWS_CA_BUNDLE"))
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    host = f"dynamodb.{region}.{suffix}"
    return Endpoint(host, 443, host, "/", region, True, environ.get("AWS_CA_BUNDLE"))


def parse_endpoint(url: str, region: str, source: str, ca: str | None = None) -> Endpoint:
    """Return the endpoint of a URL; `source` names it in errors.

    Raises:
        ConfigurationError: it is no URL of HTTP.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
        parts = parts._replace(scheme="")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"{source} is {url.rpartition('@')[2]!r}, which is not a URL; set it as in http://127.0.0.1:8000, "
            "or unset it"
        )
    tls = parts.scheme == "https"
    return Endpoint(
        parts.hostname,
        port or (443 if tls else 80),
        parts.netloc.rpartition("@")[2],
        parts.path or "/",
        region,
        tls,
        ca,
    )


def _local(name: str, directory: Path) -> TableLocation:
    """Attach to the local DynamoDB of the project around `directory`, or start it, and create a missing table."""
    try:
        from local_dynamodb import LocalDynamo, LocalDynamoError

        from ..shared.project import SettingsError, project_folder
    except ImportError as missing:
        raise _TABLE.not_installed(name, "blocks-dsql") from missing
    table = local_name(name)
    try:
        dynamo = LocalDynamo(project_folder(directory) / ".blocks" / "dynamodb")
        dynamo.start()
        dynamo.create_table(table)
    except (LocalDynamoError, SettingsError) as error:
        raise _TABLE.not_started(name, error.what, error.why, error.remedy) from error
    endpoint = parse_endpoint(dynamo.url, LOCAL_REGION, "the local DynamoDB")
    keys = Credentials("local", "local")
    return TableLocation(endpoint, table, lambda: keys, dynamo.close)


def located_here(name: str) -> TableLocation:
    """Return the location of the table `name` for this process's environment and working directory."""
    return locate(name, os.environ, Path.cwd())
