"""Exit codes of all commands, the same as those of `local-dsql`."""

from local_dsql.exit_codes import INTERRUPTED, ExitCode

__all__ = ["INTERRUPTED", "ExitCode"]
