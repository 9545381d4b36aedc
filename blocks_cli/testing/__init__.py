"""Test support for apps: migrations, handlers and their environment on a local cluster.

`migrate` applies a folder. The fixtures `dsql` and `blocks_app` of `blocks_cli.pytest_plugin` do it for each test.
"""

from blocks_cli.testing.app import App, LambdaContext
from blocks_cli.testing.migrations import MigratedDatabase, migrate

__all__ = ["App", "LambdaContext", "MigratedDatabase", "migrate"]
