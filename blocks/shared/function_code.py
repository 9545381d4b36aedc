"""Code of a Python function with the packages of its requirements file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import jsii
from aws_cdk import BundlingOptions, DockerImage, ILocalBundling
from aws_cdk import aws_lambda as lambda_

from blocks.bundling.requirements import installed_requirements
from blocks.shared.errors import ConstructError
from blocks.shared.layers import default_runtime, target_of

if TYPE_CHECKING:
    from blocks.bundling import Target

REQUIREMENTS = "requirements.txt"
_NO_CODE = shutil.ignore_patterns("__pycache__", "*.pyc", ".venv", ".pytest_cache", REQUIREMENTS)


def function_code(
    path: str | Path,
    *,
    runtime: lambda_.Runtime | None = None,
    architecture: lambda_.Architecture | None = None,
) -> lambda_.Code:
    """Return the code in a folder, with the packages of its `requirements.txt`, installed without Docker.

    A folder without that file is the asset as it is. Pass the runtime and architecture of the function: the packages
    are wheels for them.

    Args:
        path: folder of the handler.
        runtime: default: the newest Python runtime of Lambda that this library serves.
        architecture: default: x86_64, as for a function.

    Raises:
        ConstructError: there is no such folder.
        BundlingError: there are no wheels for the runtime. At synth: those of a package cannot be downloaded.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ConstructError(
            f"{folder} is not a folder",
            "the code of a function is a folder",
            "name the folder of the handler",
        )
    if not (folder / REQUIREMENTS).is_file():
        return lambda_.Code.from_asset(str(folder))
    target = target_of(runtime or default_runtime(), architecture or lambda_.Architecture.X86_64)
    options = BundlingOptions(
        image=DockerImage.from_registry("unused"),  # the CDK demands one; `local` always succeeds or raises
        command=[str(target)],  # part of the asset's hash
        local=_WithRequirements(folder.resolve(), target),
    )
    return lambda_.Code.from_asset(str(folder), bundling=options, exclude=["__pycache__", "*.pyc"])


@jsii.implements(ILocalBundling)
class _WithRequirements:
    """Copies the code beside its packages. The CDK calls it once for each content of the folder."""

    def __init__(self, folder: Path, target: Target) -> None:
        self._folder = folder
        self._target = target

    def try_bundle(self, output_dir: str, *_: object, **options: object) -> bool:
        """Fill the folder of the asset."""
        del options  # those of Docker
        packages = installed_requirements(self._folder / REQUIREMENTS, self._target)
        shutil.copytree(packages, output_dir, dirs_exist_ok=True, ignore=_NO_CODE)
        shutil.copytree(self._folder, output_dir, dirs_exist_ok=True, ignore=_NO_CODE)
        return True
