"""A run of `blocks load`: journal, reject file and result."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.bulk import marks
from blocks_cli.bulk.journal import Journal
from blocks_cli.bulk.load import Load
from blocks_cli.bulk.records import ROWS
from blocks_cli.bulk.rejects import RejectFile
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.workspace import Workspace, project_root
from blocks_runtime import sql
from blocks_runtime.errors import DatabaseError
from blocks_runtime.limits import ROWS_PER_TRANSACTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from blocks_cli.bulk.load import Totals
    from blocks_cli.bulk.statements import Statements
    from blocks_cli.bulk.table import Table
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
    with contextlib.closing(journal):
        journal.open()
        if options.restart or journal.difference:
            _begin_anew(journal, files[0], identity, connect, restart=options.restart)
        else:
            journal.resume()
        _note_resumed(journal)
        for each in files:
            each.source.check_whole()
        with contextlib.closing(RejectFile(table.file_name, options.rejects, journal)) as rejects:
            rejects.open()
            load = Load(
                [*files],
                journal,
                rejects,
                connect,
                dry_run=options.dry_run,
                max_rejects=options.max_rejects,
                rows=options.rows,
            )
            with _explaining(load, journal, dry_run=options.dry_run):
                totals = load.run(options.parallel)
        yield totals, rejects.path
        journal.finish()


def _begin_anew(
    journal: Journal,
    first: Statements,
    identity: dict[str, Json],
    connect: Callable[[], AdminConnection],
    *,
    restart: bool,
) -> None:
    """Forget what earlier runs have done.

    Raises:
        CommandError: they have done something, and `restart` is false or their rows would be loaded twice.
    """
    if journal.head is not None and journal.path is not None:
        of_the_table = all(journal.head.get(name) == identity[name] for name in ("target", "object id"))
        with connect().open() as admin:
            rows = marks.rows(admin, journal.load)
            if first.key is None and of_the_table and rows and _has_rows(admin, first.table):
                raise _loaded_twice(journal.path, first.table, rows, journal.difference)
            if journal.difference and not restart and (rows or journal.entries):
                hint = "; rows that are loaded stay in the table"
                raise CommandError(
                    *journal.difference, f"pass --restart to begin anew{hint if first.key else ''}"
                )
            marks.remove(admin, journal.load)
    journal.begin()


def _has_rows(admin: AdminConnection, table: Table) -> bool:
    return bool(admin.read(sql("SELECT 1 AS one FROM {t:q} LIMIT 1", t=table.sql)))


def _loaded_twice(path: Path, table: Table, rows: int, difference: tuple[str, str] | None) -> CommandError:
    """Return the error for a load from the beginning into a table without a key, after an interrupted one."""
    what, why = difference or (f"--restart: table {table} has rows of the interrupted load", "")
    shown = console.display_path(path)
    return CommandError(
        what,
        f"{why}{'; ' if why else ''}{rows:,} rows of it are in the table, and no key tells them: a load from the "
        "beginning would insert them again",
        f"delete them, in transactions of at most {ROWS_PER_TRANSACTION:,} rows; then pass --restart if the table is "
        f"empty, else remove {shown} and run the command without --restart",
    )


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
def _explaining(load: Load, journal: Journal, *, dry_run: bool) -> Iterator[None]:
    """Add to an error what is loaded, and how to continue."""
    try:
        yield
    except (KeyboardInterrupt, CommandError) as error:
        console.clear()
        console.print_message(f"stopped  {_way_on(load, journal)}", "yellow")
        if (
            isinstance(error, CommandError)
            and error.code == ExitCode.USAGE
            and load.totals.inserted
            and not dry_run
        ):
            error.code = ExitCode.MIGRATION_FAILED  # rows are committed
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
    return f"{done}; run the same command again with unchanged files, and it continues from there"
