"""Convert exceptions to errors of the command line."""

from __future__ import annotations

from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.file_errors import file_error, is_full_disk


def as_command_error(error: Exception) -> CommandError:
    """Convert an exception: of the settings, of the local database, of a file, or of this program."""
    from blocks_settings import SettingsError
    from local_dsql.errors import LocalDatabaseError

    match error:
        case CommandError():
            return error
        case SettingsError():
            return CommandError(error.what, error.why, error.remedy)
        case LocalDatabaseError():
            return CommandError(error.what, error.why, error.remedy, ExitCode.CANNOT_CONNECT)
        case OSError() if error.filename is not None or is_full_disk(error):
            return file_error(error)
    return CommandError(
        f"{type(error).__name__}: {error}",
        "internal error",
        "run the command with --debug and report the traceback",
        ExitCode.INTERNAL_ERROR,
    )
