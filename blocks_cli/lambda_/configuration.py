"""Configuration of a Lambda function, from its template resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT_TIMEOUT = 3.0
"""Seconds, if the template has no Timeout (`AWS::Lambda::Function`)."""
DEFAULT_MEMORY = 128
"""MB, if the template has no MemorySize (`AWS::Lambda::Function`)."""
DEFAULT_STORAGE = 512
"""MB of `/tmp`, if the template has no EphemeralStorage (`AWS::Lambda::Function`)."""


@dataclass(frozen=True, slots=True)
class FunctionConfiguration:
    """Configuration of a deployed function.

    `path` is the construct path, `code` the unpacked bundle, `layers` the unpacked layers in the order of the template,
    `timeout` in seconds, `memory` and `storage`, the size of `/tmp`, in MB, `concurrency` the reserved concurrency or
    None. `source` is the folder of the project that the bundle was made from, relative to the project, or None.
    """

    name: str
    arn: str
    path: str
    logical_id: str
    handler: str
    runtime: str
    code: Path
    layers: tuple[Path, ...]
    environment: Mapping[str, str]
    role_arn: str
    region: str
    log_group: str
    timeout: float = DEFAULT_TIMEOUT
    memory: int = DEFAULT_MEMORY
    storage: int = DEFAULT_STORAGE
    concurrency: int | None = None
    source: str | None = None

    @property
    def short_name(self) -> str:
        """Construct path within the stack; for most functions the construct id."""
        return self.path.partition("/")[2] or self.path

    @property
    def python_version(self) -> tuple[int, int] | None:
        """Python version of the runtime, or None for another language."""
        major, _, minor = self.runtime.removeprefix("python").partition(".")
        if not self.runtime.startswith("python") or not (major.isdigit() and minor.isdigit()):
            return None
        return int(major), int(minor)
