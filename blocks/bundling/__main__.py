"""`python -m blocks.bundling`: download wheels into the cache, or renew the lock."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from blocks.bundling import lock, wheelhouse
from blocks.bundling.errors import BundlingError
from blocks.bundling.relock import relock
from blocks.bundling.target import PYTHONS, Target, every_target
from blocks_settings.cache_folder import cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 1 after an error on stderr."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except BundlingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m blocks.bundling", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    prefetch = commands.add_parser("prefetch", help="download the locked wheels into the cache")
    prefetch.add_argument("--python", choices=PYTHONS, help="only this version (default: all)")
    prefetch.add_argument("--arch", help="only this architecture: x86_64, aarch64 or arm64 (default: all)")
    prefetch.set_defaults(run=_prefetch)
    renew = commands.add_parser("lock", help="print a new lock.toml")
    renew.add_argument(
        "releases",
        nargs="*",
        type=_release,
        metavar="PROJECT==VERSION",
        help="(default: the locked versions)",
    )
    renew.set_defaults(run=_lock)
    return parser


def _prefetch(options: argparse.Namespace) -> None:
    for target in _targets(options.python, options.arch):
        for group in lock.groups():
            wheelhouse.fetch(lock.wheels(group, target), target)
        print(f"{target}: in {cache_folder()}")


def _lock(options: argparse.Namespace) -> None:
    print(relock(dict(options.releases)), end="")


def _release(text: str) -> tuple[str, str]:
    project, equals, version = text.partition("==")
    if not (project and equals and version):
        raise argparse.ArgumentTypeError(f"{text!r} is not PROJECT==VERSION, such as psycopg==3.3.9")
    return project, version


def _targets(python: str | None, architecture: str | None) -> tuple[Target, ...]:
    wanted = architecture and Target(python or PYTHONS[0], architecture).architecture
    return tuple(
        target
        for target in every_target()
        if python in (None, target.python) and wanted in (None, target.architecture)
    )


if __name__ == "__main__":
    sys.exit(main())
