"""One jsii process for all construct tests, with CDK's validator off for speed; one test has it on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

# Read by the jsii process when it starts, so before anything imports aws_cdk.
os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
import pytest

from tests.support.two_regions import EAST, OHIO, stack_in

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all assemblies: layers are megabytes, and what is there is not copied again."""
    return tmp_path_factory.mktemp("cdk.out")


@pytest.fixture
def app(assembly: Path) -> cdk.App:
    return cdk.App(outdir=str(assembly))


@pytest.fixture
def stack(app: cdk.App) -> cdk.Stack:
    return cdk.Stack(app, "Bank")


@pytest.fixture
def virginia(app: cdk.App) -> cdk.Stack:
    return stack_in(app, EAST, id="Virginia")


@pytest.fixture
def ohio(app: cdk.App) -> cdk.Stack:
    return stack_in(app, OHIO, id="Ohio")
