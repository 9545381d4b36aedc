"""Choose what a function runs under: interpreter, runtime client, and the packages of the runtime."""

from __future__ import annotations

import functools
import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks import bundling
from blocks_cli.errors import CommandError
from blocks_cli.lambda_ import interpreter, packages
from blocks_cli.lambda_.environment import function_environment
from blocks_cli.lambda_.sandbox import BOOTSTRAP, Program

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.lambda_.code_store import CodeStore
    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.lambda_.interpreter import Interpreter
    from blocks_runtime.signing import Credentials


@dataclass(frozen=True, slots=True)
class Runtime:
    """An interpreter with a runtime client; the folders in `packages` stand for `/var/runtime`."""

    interpreter: Interpreter
    client: str
    packages: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class PreparedFunction:
    """A function ready to be started with `program(keys)`; `notes` say where it differs from Lambda."""

    function: FunctionConfiguration
    runtime: Runtime
    opt: Path
    python_path: tuple[Path, ...]
    notes: tuple[str, ...]

    def program(self, credentials: Credentials) -> Program:
        """Return what to run in a sandbox, as the identity of `credentials`."""
        return Program(
            python=self.runtime.interpreter.executable,
            client=self.runtime.client,
            handler=self.function.handler,
            folder=self.function.code,
            environment=function_environment(self.function, credentials, self.opt, self.python_path),
        )


def prepare(function: FunctionConfiguration, store: CodeStore, links: Path) -> PreparedFunction:
    """Choose runtime and import path of a function.

    `links` is a folder for links to installed packages. Where no interpreter of the function's own version
    can be used, it runs under ours, with the installed packages in place of those binaries of the bundle that
    ours cannot load.

    Raises:
        CommandError: the function is not written in Python.
    """
    wanted = function.python_version
    if wanted is None:
        raise CommandError(
            f"function {function.path}: runtime {function.runtime or 'container image'} does not run locally",
            "the local Lambda runs Python functions from zip bundles",
            "invoke it on AWS, or leave it out locally",
        )
    opt = store.merged(function.layers)
    path = import_path(function.code, opt, wanted)
    runtime = _matching(wanted, path, links) or _own(links)
    found, missing = packages.substitutes(packages.unloadable(path, runtime.interpreter))
    stand_ins = (packages.link(found, links),) if found else ()
    return PreparedFunction(
        function,
        runtime,
        opt,
        python_path=(*stand_ins, *path, *runtime.packages),
        notes=tuple(_notes(function, runtime, found, missing)),
    )


def import_path(code: Path, opt: Path, version: tuple[int, int]) -> tuple[Path, ...]:
    """Return the folders Lambda puts on the import path, in its order; those that do not exist left out."""
    site_packages = opt / "python" / "lib" / f"python{version[0]}.{version[1]}" / "site-packages"
    return tuple(folder for folder in (code, site_packages, opt / "python") if folder.is_dir())


def _matching(wanted: tuple[int, int], path: tuple[Path, ...], links: Path) -> Runtime | None:
    """Return a runtime of the function's own Python version that loads all of its bundle, if there is one."""
    if sys.platform != "linux" or wanted == interpreter.current().version:
        return None
    found = interpreter.find(wanted)
    if found is None or packages.unloadable(path, found):
        return None
    client = runtime_client(wanted)
    if client is None:
        return None
    return Runtime(found, packages.RUNTIME_CLIENT, (client, packages.link(("boto3",), links)))


def _own(links: Path) -> Runtime:
    """Return the runtime that our own interpreter makes."""
    has_client = sys.platform == "linux" and packages.installed(packages.RUNTIME_CLIENT)
    client = packages.RUNTIME_CLIENT if has_client else str(BOOTSTRAP)
    return Runtime(interpreter.current(), client, (packages.link(packages.RUNTIME_DISTRIBUTIONS, links),))


@functools.cache
def runtime_client(version: tuple[int, int]) -> Path | None:
    """Return a folder with Lambda's runtime client for a Python version on this machine, or None.

    The wheel comes from the cache of `blocks.bundling`, or from the package index.
    """
    try:
        return bundling.runtime_client(bundling.Target(f"{version[0]}.{version[1]}", platform.machine()))
    except bundling.BundlingError:
        return None


def _notes(
    function: FunctionConfiguration, runtime: Runtime, found: list[str], missing: list[str]
) -> list[str]:
    version = ".".join(map(str, runtime.interpreter.version))
    notes = []
    if runtime.interpreter.version != function.python_version:
        notes.append(f"runs under Python {version} instead of {function.runtime}")
    if found:
        notes.append(f"uses the installed {', '.join(found)} in place of the bundle's")
    if missing:
        notes.append(f"cannot load {', '.join(missing)}: built for another Python, and not installed here")
    if runtime.client != packages.RUNTIME_CLIENT:
        notes.append("uses a runtime client of our own: awslambdaric is not installed for this platform")
    return notes
