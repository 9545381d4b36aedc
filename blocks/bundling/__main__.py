"""`python -m blocks.bundling prefetch`: fill the cache while there is a network."""

from __future__ import annotations

import argparse
import sys

from blocks.bundling import cache, lock, wheelhouse
from blocks.bundling.errors import BundlingError
from blocks.bundling.target import PYTHONS, Target, every_target


def main(arguments: list[str] | None = None) -> int:
    """Download the locked wheels of the chosen targets; return 0, or 1 after saying what could not be had."""
    options = _parser().parse_args(arguments)
    try:
        for target in _targets(options.python, options.arch):
            for group in ("runtime", "runtime-client"):
                wheelhouse.fetch(lock.wheels(group, target), target)
            print(f"{target}: in {cache.folder()}")
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
    return parser


def _targets(python: str | None, architecture: str | None) -> tuple[Target, ...]:
    wanted = architecture and Target(python or PYTHONS[0], architecture).architecture
    return tuple(
        target
        for target in every_target()
        if python in (None, target.python) and wanted in (None, target.architecture)
    )


if __name__ == "__main__":
    sys.exit(main())
