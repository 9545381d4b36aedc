"""The command line `local-dsql`; `python -m local_dsql` runs a cluster in the foreground.

Data goes to standard output, messages to standard error. Exit codes: 0 done, 2 wrong usage, 4 the cluster cannot be
reached or started; `local-dsql psql` exits with psql's code. The commands are imported on first use: `blocks` imports
this package for its errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime.shared.lazy_exports import lazy_exports
from local_dsql.errors import missing_extra

try:
    import click as _click  # noqa: F401
except ModuleNotFoundError:  # the bare install, as in a Lambda function, has this program too
    missing_extra("local-dsql", "local")

if TYPE_CHECKING:
    from local_dsql.cli.commands import main
    from local_dsql.cli.foreground import serve

__all__ = ["main", "serve"]

_, __getattr__, __dir__ = lazy_exports(__name__, {"main": "commands", "serve": "foreground"})
