"""A run of `blocks load`: journal, reject file and result."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.bulk.journal import Journal
from blocks_cli.bulk.load import Load
from blocks_cli.bulk.records import ROWS
from blocks_cli.bulk.rejects import RejectFile
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.workspace import Workspace, project_root
from blocks_runtime.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from blocks_cli.bulk.load import Totals
    from blocks_cli.bulk.statements import Statements
    from blocks_cli.json_value import Json
    from lambda_migrator.admin import AdminConnection


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of one run; `journal` and `rejects` are paths that differ from the default."""

    parallel: int
    max_rejects: int
    dry_run: bool
    restart: bool
    journal: Path | None
    rejects: Path | None
    rows: int = ROWS
    """Rows of a transaction, at most."""


@contextlib.contextmanager
def run_load(
    files: Sequence[Statements], target: str, connect: Callable[[], AdminConnection], options: RunOptions
) -> Iterator[tuple[Totals, Path]]:
    """Load the files; the block gets the totals and the path of the reject file, and reports them.

    The journal is removed after the block. If the process is killed before the report, the same command does not load
    the rows again.

    Raises:
        CommandError: the load stopped; what is committed is in the journal.
    """
    table = files[0].table
    identity = _identity(files, target)
    journal = Journal(_journal_path(files, identity, options), identity)
    path = options.rejects or Path(f"{table.file_name}.rejects.jsonl")
    with contextlib.closing(journal):
        journal.open(restart=options.restart)
        _note_resumed(journal)
        before = journal.entries[-1].rejects if journal.entries else 0
        with contextlib.closing(RejectFile(path, before)) as rejects:
            load = Load(
                [*files],
                journal,
                rejects,
                connect,
                dry_run=options.dry_run,
                max_rejects=options.max_rejects,
                rows=options.rows,
            )
            with _explaining(load, journal):
                totals = load.run(options.parallel)
        yield totals, path
        journal.finish()


def _identity(files: Sequence[Statements], target: str) -> dict[str, Json]:
    """Return what makes two runs the same load. The object id changes with a reset or a new table."""
    first = files[0]
    return {
        "target": target,
        "table": str(first.table),
        "object id": first.table.oid,
        "files": [_file(each) for each in files],
        "columns": [[column.name for column in each.columns] for each in files],
        "format": [
            [each.source.format, each.source.dialect.delimiter, each.source.dialect.null] for each in files
        ],
    }


def _file(statements: Statements) -> Json:
    if statements.source.is_input:
        return statements.source.name
    path = Path(statements.source.name)
    found = path.stat()
    return [str(path.resolve()), found.st_size, found.st_mtime_ns]


def _journal_path(files: Sequence[Statements], identity: dict[str, Json], options: RunOptions) -> Path | None:
    """Return the path of the journal; None if the load cannot be continued."""
    if any(each.source.is_input for each in files):
        if options.journal is not None:
            raise CommandError(
                "--journal with standard input",
                "standard input cannot be read again, so the load cannot be continued",
                "load from a file",
            )
        return None
    if options.dry_run:
        return None
    if options.journal is not None:
        return options.journal
    names = [str(Path(each.source.name).resolve()) for each in files]
    text = "\0".join([str(identity["target"]), str(files[0].table), *names])
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    workspace = Workspace(project_root())
    workspace.create()
    return workspace.folder / "loads" / f"{files[0].table.file_name}-{digest}.jsonl"


def _note_resumed(journal: Journal) -> None:
    rows = sum(each.last - each.first + 1 for each in journal.entries)
    if rows:
        console.print_message(f"resumed  {rows:,} rows were done by an interrupted run", "cyan")


@contextlib.contextmanager
def _explaining(load: Load, journal: Journal) -> Iterator[None]:
    """Add to an error what is loaded, and how to continue."""
    try:
        yield
    except (KeyboardInterrupt, CommandError):
        console.clear()
        console.print_message(f"stopped  {_way_on(load, journal)}", "yellow")
        raise
    except DatabaseError as error:
        console.clear()
        state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
        raise CommandError(
            "the load stopped",
            f"{str(error.args[0]).strip()}{state}",
            f"remove the cause; {_way_on(load, journal)}",
            ExitCode.MIGRATION_FAILED,
        ) from error


def _way_on(load: Load, journal: Journal) -> str:
    rows = load.totals.rows + load.totals.resumed
    done = f"{rows:,} rows are done" if rows else "nothing is loaded"
    if journal.path is None:
        return f"{done}; a load from standard input begins anew"
    return f"{done}; run the same command again, and it continues from there"
