"""Exit codes of all commands, the same as those of `local-dsql`."""

from local_dsql.exit_codes import ExitCode

__all__ = ["ExitCode"]
