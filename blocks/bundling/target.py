"""The interpreter a bundle is built for: a Python version on a machine architecture."""

from __future__ import annotations

from dataclasses import dataclass

from blocks.bundling.errors import BundlingError

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""Python versions of Lambda that the lock has wheels for, the oldest first."""

DEFAULT_PYTHON = PYTHONS[-1]
"""Version of functions that this library creates, unless an option chooses another."""

ARCHITECTURES = ("x86_64", "aarch64")

_MACHINE_NAMES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}

# manylinux2014 alone is not enough: psycopg-binary 3.3 has no such wheel for aarch64.
_PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28")


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A Python version such as `3.13` and an architecture, `x86_64` or `aarch64`.

    The architecture may also be given as `arm64` or `amd64`, the names Lambda, macOS and Windows use.

    Raises:
        BundlingError: the lock has no wheels for that version or architecture.
    """

    python: str
    architecture: str

    def __post_init__(self) -> None:
        machine = _MACHINE_NAMES.get(self.architecture.lower())
        if machine is None or self.python not in PYTHONS:
            raise BundlingError(
                f"no bundle for Python {self.python} on {self.architecture}",
                f"wheels are locked for Python {', '.join(PYTHONS)} on {' and '.join(ARCHITECTURES)}",
                "give the function one of these runtimes and architectures",
            )
        object.__setattr__(self, "architecture", machine)

    @property
    def tag(self) -> str:
        """The interpreter's tag in wheel names, such as `cp313`."""
        return "cp" + self.python.replace(".", "")

    @property
    def platforms(self) -> tuple[str, ...]:
        """Accepted platform tags, such as `manylinux2014_x86_64`."""
        return tuple(f"{platform_tag}_{self.architecture}" for platform_tag in _PLATFORMS)

    def __str__(self) -> str:
        return f"Python {self.python} on {self.architecture}"


def every_target() -> tuple[Target, ...]:
    """Return all targets the lock serves."""
    return tuple(Target(python, architecture) for architecture in ARCHITECTURES for python in PYTHONS)
