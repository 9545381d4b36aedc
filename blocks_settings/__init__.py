"""The settings of a project: one place for dialect, Regions, migrations folder, database, stack and port.

A value comes from the first of: the argument of a command or fixture, an environment variable, `[tool.blocks]` in
pyproject.toml, the deployed app, the default. Every program of this library asks `Settings.of`.
"""

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
