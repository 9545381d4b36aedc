"""The Region of stacks that have none: environment-agnostic stacks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_cli.local.checks import check_regions
from blocks_cli.local.state import StateFolder
from blocks_settings import REGIONS, Settings, Source
from blocks_settings.regions import DEFAULT_REGION, check_region
from blocks_settings.value import WRITTEN

if TYPE_CHECKING:
    from blocks_cli.workspace import Workspace


def region_of_stacks(given: str | None, workspace: Workspace) -> str:
    """Return the Region of stacks without one: of option, environment, settings or the last deploy, else the default.

    Raises:
        CommandError: it is not the name of a Region, or such stacks are deployed in another one.
    """
    states = StateFolder(workspace.stacks).load()
    before = {name: state.region for name, state in states.items() if state.any_region}
    chosen = _stated_region(given)
    if chosen is None:
        return next(iter(before.values()), DEFAULT_REGION)
    check_regions(states, dict.fromkeys(before, chosen))
    return chosen


def _stated_region(given: str | None) -> str | None:
    stated = Settings.of().get_from(WRITTEN, REGIONS)
    variable = os.environ.get("AWS_REGION")
    place = "--region" if given else "AWS_REGION"
    try:
        if found := given or (None if stated and stated.source is Source.ENVIRONMENT else variable):
            return check_region(found)
    except ValueError as error:
        why, _, remedy = str(error).partition("; ")
        raise CommandError(f"{place}: invalid Region", why, remedy) from None
    return stated.value[0] if stated else None
