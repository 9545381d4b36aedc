"""Exports of a package that are imported on first use, so that importing the package costs next to nothing."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy_exports(
    package: str, modules: Mapping[str, str]
) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """Return `__all__`, `__getattr__` and `__dir__` (PEP 562) of a package.

    Args:
        package: its `__name__`.
        modules: by exported name, the module below the package that has it.
    """
    namespace = vars(sys.modules[package])

    def load(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = __import__(f"{package}.{modules[name]}", fromlist=[name])
        value: object = getattr(module, name)
        namespace[name] = value
        return value

    return sorted(modules), load, lambda: sorted({*namespace, *modules})
