"""Where the database is that a command works on, looked up from what its options say."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.errors import CommandError
from blocks_runtime.contract import ADMIN_ROLE

if TYPE_CHECKING:
    from blocks_cli.migrations.place import Place

_HOST = re.compile(r"[a-z0-9]{26}\.dsql\.(?P<region>[a-z0-9-]+)\.on\.aws(\.cn)?")


@dataclass(frozen=True, slots=True)
class Located:
    """A database: the id of its construct, and the folder it has on this machine or the cluster's endpoint.

    As text it is what the first line of every command says.
    """

    database: str
    folder: Path | None = None
    endpoint: str = ""
    region: str = ""
    stack: str | None = None

    def __str__(self) -> str:
        of_stack = f"   of stack {self.stack}" if self.stack else ""
        if self.folder is not None:
            return f"local   {console.shown(self.folder)}{of_stack}"
        return f"cluster {self.endpoint}   {self.region}   as {ADMIN_ROLE}{of_stack}"


def locate(place: Place) -> Located:
    """Find the database.

    Raises:
        CommandError: the stack is unknown or has no such database, or nothing says the Region of an endpoint.
    """
    if place.endpoint is not None:
        return Located(place.name, endpoint=place.endpoint, region=_region(place, place.endpoint))
    if place.stack is None:
        from blocks_runtime.database.location import local_folder

        return Located(place.name, local_folder(place.name, Path.cwd()))
    if place.local:
        from blocks_cli.migrations.local_stack import find_folder

        database, folder = find_folder(place.stack, place.database)
        return Located(database, folder, stack=place.stack)
    from blocks_cli.migrations.stack import find_cluster

    found = find_cluster(place.stack, place.database, place.region)
    return Located(found.database, endpoint=found.endpoint, region=found.region, stack=place.stack)


def _region(place: Place, endpoint: str) -> str:
    match = _HOST.fullmatch(endpoint)
    region = place.region or (match and match["region"]) or os.environ.get("AWS_REGION")
    if region is None:
        raise CommandError(
            f"--endpoint {endpoint}: in which Region?",
            "its host name does not say, and a login is signed for one Region",
            "pass --region as well",
        )
    return region
