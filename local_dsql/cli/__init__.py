"""The command line: `local-dsql`, and `python -m local_dsql` for a cluster in the foreground.

What other programs read goes to standard output, everything else to standard error. Exit codes: 0 done,
2 wrong usage, 4 the cluster cannot be reached or started; `local-dsql psql` ends with psql's own.
"""

from local_dsql.errors import missing_extra

try:
    import click as _click  # noqa: F401
except ModuleNotFoundError:  # a package for a Lambda function has the program as well
    missing_extra("local-dsql", "local")

from local_dsql.cli.commands import main
from local_dsql.cli.foreground import serve

__all__ = ["main", "serve"]
