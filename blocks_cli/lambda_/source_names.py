"""Names of source files in the output of functions: those of the project instead of the unpacked copies."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.json_value import Json, mapping
from blocks_cli.lambda_.sandbox import COPY

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.lambda_.result import InvocationResult

TASK_ROOT, OPT = "/var/task", "/opt"
"""Folders of the bundle and of the layers on Lambda."""


@dataclass(frozen=True, slots=True)
class SourceNames:
    """Folders of unpacked code, with the names to print for them."""

    names: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, function: FunctionConfiguration, opt: Path) -> SourceNames:
        """Return the names for a function: its folder in the project, or that on Lambda if it is not known."""
        code = TASK_ROOT if function.source is None else function.source
        prefix = "" if code == "." else f"{code}/"
        return cls(((f"{function.code}/", prefix), (f"{opt}/", f"{OPT}/")))

    def with_copy(self, temporary: str) -> SourceNames:
        """Return the names with that of a copy of the bundle in a temporary folder."""
        return SourceNames(((f"{temporary}/{COPY}/", self.names[0][1]), *self.names))

    def text(self, text: str) -> str:
        """Return a text with the names of the project."""
        for folder, name in self.names:
            text = text.replace(folder, name)
        return text

    def result(self, result: InvocationResult) -> InvocationResult:
        """Return the result of an invocation with the names of the project in its error and its log."""
        log = self.text(result.log_tail)
        if not result.failed:
            return dataclasses.replace(result, log_tail=log)
        payload = {name: self._json(value) for name, value in mapping(result.payload).items()}
        return dataclasses.replace(
            result,
            payload=payload or result.payload,
            error_message=self.text(result.error_message or ""),
            stack_trace=tuple(map(self.text, result.stack_trace)),
            log_tail=log,
        )

    def _json(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.text(value)
        return [self._json(each) for each in value] if isinstance(value, list) else value
