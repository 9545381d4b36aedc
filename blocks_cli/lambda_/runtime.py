"""Choose the runtime of a function: interpreter, runtime client, and packages of the runtime."""

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
    """An interpreter with a runtime client; the folders in `packages` correspond to `/var/runtime`."""

    interpreter: Interpreter
    client: str
    packages: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class PreparedFunction:
    """A function ready to be started with `program(keys)`; `notes` say where it differs from Lambda."""

    function: FunctionConfiguration
    runtime: Runtime
    opt: Path
    bytecode: Path
    python_path: tuple[Path, ...]
    notes: tuple[str, ...]

    def program(self, credentials: Credentials) -> Program:
        """Return the program for a sandbox with the identity of `credentials`."""
        return Program(
            python=self.runtime.interpreter.executable,
            client=self.runtime.client,
            handler=self.function.handler,
            folder=self.function.code,
            opt=self.opt,
            bytecode=self.bytecode,
            memory=self.function.memory,
            storage=self.function.storage,
            environment=function_environment(self.function, credentials, self.opt, self.python_path),
        )


def prepare(function: FunctionConfiguration, store: CodeStore, links: Path) -> PreparedFunction:
    """Choose the runtime and the import path of a function.

    `links` is a folder for links to installed packages. Without an interpreter of the function's version, the function
    runs under the current one, with installed packages instead of the binaries in the bundle that it cannot load.

    Raises:
        CommandError: the function is not written in Python.
    """
    wanted = function.python_version
    if wanted is None:
        raise CommandError(
            f"function {function.path}: runtime {function.runtime or 'container image'} does not run locally",
            "the local Lambda runs Python functions from zip bundles",
            "invoke it on AWS, or leave it out of the local deploy",
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
        bytecode=store.bytecode,
        python_path=(*stand_ins, *path, *runtime.packages),
        notes=tuple(_notes(function, runtime, found, missing)),
    )


def import_path(code: Path, opt: Path, version: tuple[int, int]) -> tuple[Path, ...]:
    """Return the existing folders of Lambda's import path, in its order."""
    site_packages = opt / "python" / "lib" / f"python{version[0]}.{version[1]}" / "site-packages"
    return tuple(folder for folder in (code, site_packages, opt / "python") if folder.is_dir())


def _matching(wanted: tuple[int, int], path: tuple[Path, ...], links: Path) -> Runtime | None:
    """Return a runtime with the function's Python version that can load the whole bundle, or None."""
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
    """Return the runtime with the current interpreter."""
    has_client = sys.platform == "linux" and packages.installed(packages.RUNTIME_CLIENT)
    client = packages.RUNTIME_CLIENT if has_client else str(BOOTSTRAP)
    return Runtime(interpreter.current(), client, (packages.link(packages.RUNTIME_DISTRIBUTIONS, links),))


@functools.cache
def runtime_client(version: tuple[int, int]) -> Path | None:
    """Return a folder with Lambda's runtime client for a Python version on this platform, or None.

    The wheel is from the cache of `blocks.bundling`, or from the package index.
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
        notes.append(f"uses the installed {', '.join(found)} instead of the bundle's")
    if missing:
        notes.append(f"cannot load {', '.join(missing)}: built for another Python, and not installed here")
    if runtime.client != packages.RUNTIME_CLIENT:
        notes.append("uses a substitute runtime client: awslambdaric is not available for this platform")
    return notes
