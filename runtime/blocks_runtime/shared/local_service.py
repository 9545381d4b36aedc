"""Variables of a block in the environment, or else the project's local service instead of it."""

from __future__ import annotations

from ..contract import variable_prefix
from ..errors import ConfigurationError

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    V = TypeVar("V")


class Block:
    """A kind of block: its noun, its first variable, its local service, the grant that sets the variables."""

    def __init__(self, *, noun: str, variable: str, service: str, instead: str, grant: str) -> None:
        self.noun = noun
        self.variable = variable
        self.service = service
        self.instead = instead
        """The thing on AWS that the variables name."""
        self.grant = grant

    def variables(
        self, name: str, environ: Mapping[str, str], read: Callable[[str, Mapping[str, str]], V | None]
    ) -> V | None:
        """Return what `read` finds in the environment, None on a laptop without variables.

        Raises:
            ConfigurationError: the variables are incomplete, or missing in Lambda.
        """
        try:
            found = read(name, environ)
        except KeyError as missing:
            raise self._missing(name, str(missing.args[0])) from None
        if found is None and "AWS_LAMBDA_FUNCTION_NAME" in environ:
            raise self._missing(name, self._first(name))
        return found

    def not_installed(self, name: str, package: str) -> ConfigurationError:
        """Return the error that the local service is not installed; `package` is what pip installs."""
        return ConfigurationError(
            f"no variable {self._first(name)}, and {self.service} is not installed; "
            f"run `pip install {package}`, or set the variables of a {self.instead}"
        )

    def not_started(self, name: str, what: str, why: str, remedy: str) -> ConfigurationError:
        """Return the error that the local service does not start."""
        return ConfigurationError(
            f"no variable {self._first(name)}, and {self.service} does not start: {what}: {why}; {remedy}, "
            f"or set the variables of a {self.instead}"
        )

    def _first(self, name: str) -> str:
        return f"{variable_prefix(name)}_{self.variable}"

    def _missing(self, name: str, variable: str) -> ConfigurationError:
        return ConfigurationError(
            f"environment variable {variable} is not set, so this function cannot find the {self.noun} {name!r}; "
            f"call {self.grant} for it in the stack and deploy again"
        )


def local_name(name: str) -> str:
    """Return the name of a block in its local service: that of its variables, in lower case."""
    return variable_prefix(name).removeprefix("BLOCKS_").lower()
