"""Lookup of the database that the options of a command select."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.errors import CommandError
from blocks_runtime.contract import ADMIN_ROLE
from blocks_settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.migrations.target_options import TargetOptions

_HOST = re.compile(r"[a-z0-9]{26}\.dsql\.(?P<region>[a-z0-9-]+)\.on\.aws(\.cn)?")


@dataclass(frozen=True, slots=True)
class DatabaseTarget:
    """A database: its construct id, and its local folder or the endpoint of its cluster.

    `str()` returns the text that each command prints first.
    """

    database: str
    folder: Path | None = None
    endpoint: str = ""
    region: str = ""
    stack: str | None = None

    def __str__(self) -> str:
        of_stack = f"   of stack {self.stack}" if self.stack else ""
        if self.folder is not None:
            return f"local   {console.display_path(self.folder)}{of_stack}"
        return f"cluster {self.endpoint}   {self.region}   as {ADMIN_ROLE}{of_stack}"

    @property
    def place(self) -> str:
        """The folder or the endpoint, the same from each working directory."""
        return self.endpoint if self.folder is None else str(self.folder.resolve())


def find_target(options: TargetOptions) -> DatabaseTarget:
    """Look up the database.

    Raises:
        CommandError: the stack is unknown or has no such database, or the Region of an endpoint is unknown.
    """
    if options.endpoint is not None:
        return DatabaseTarget(
            options.named(Settings.of()),
            endpoint=options.endpoint,
            region=_region(options, options.endpoint),
        )
    if options.stack is None:
        settings = Settings.of()
        name = options.named(settings)
        return DatabaseTarget(name, settings.folder_of(name))
    if options.local:
        from blocks_cli.migrations.local_stack import find_folder

        database, folder = find_folder(options.stack, options.database)
        return DatabaseTarget(database, folder, stack=options.stack)
    from blocks_cli.migrations.stack import find_cluster

    found = find_cluster(options.stack, options.database, options.region)
    return DatabaseTarget(found.database, endpoint=found.endpoint, region=found.region, stack=options.stack)


def _region(options: TargetOptions, endpoint: str) -> str:
    match = _HOST.fullmatch(endpoint)
    region = options.region or (match and match["region"]) or os.environ.get("AWS_REGION")
    if region is None:
        raise CommandError(
            f"--endpoint {endpoint}: --region is missing",
            "the host name does not contain the Region, and a login token is signed for one Region",
            "pass --region as well",
        )
    return region
