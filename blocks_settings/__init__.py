"""The settings of a project: one place for dialect, Regions, migrations folder, database, stack and port.

A value comes from the first of: the argument of a command or fixture, an environment variable, `[tool.blocks]` in
pyproject.toml, the deployed app, the default. Every program of this library asks `Settings.of`.
"""

from typing import TYPE_CHECKING

from blocks_runtime.shared.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from blocks_settings.errors import SettingsError
    from blocks_settings.keys import DATABASE, DIALECT, KEYS, MIGRATIONS, PORT, REGIONS, STACK
    from blocks_settings.settings import Settings
    from blocks_settings.value import Setting, Source

__all__ = [
    "DATABASE",
    "DIALECT",
    "KEYS",
    "MIGRATIONS",
    "PORT",
    "REGIONS",
    "STACK",
    "Setting",
    "Settings",
    "SettingsError",
    "Source",
]

# The server of a local database needs the check of a Region's name only.
_MODULES = {
    "DATABASE": "keys",
    "DIALECT": "keys",
    "KEYS": "keys",
    "MIGRATIONS": "keys",
    "PORT": "keys",
    "REGIONS": "keys",
    "STACK": "keys",
    "Setting": "value",
    "Settings": "settings",
    "SettingsError": "errors",
    "Source": "value",
}

_, __getattr__, __dir__ = lazy_exports(__name__, _MODULES)
