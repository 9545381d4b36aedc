"""The command line `local-dsql`; `python -m local_dsql` runs a cluster in the foreground.

Data goes to standard output, messages to standard error. Exit codes: 0 done, 2 wrong usage, 4 the cluster cannot be
reached or started; `local-dsql psql` exits with psql's code.
"""

from local_dsql.errors import missing_extra

try:
    import click as _click  # noqa: F401
except ModuleNotFoundError:  # the bare install, as in a Lambda function, has this program too
    missing_extra("local-dsql", "local")

from local_dsql.cli.commands import main
from local_dsql.cli.foreground import serve

__all__ = ["main", "serve"]
