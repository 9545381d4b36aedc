"""Read the files of a folder of migrations, ordered by number."""

from __future__ import annotations

import codecs
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_runtime.shared.regular_files import read_regular
from dsql_dialect.migrations import rules
from dsql_dialect.migrations.errors import MigrationFinding
from dsql_dialect.position import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dsql_dialect.rule import Rule

_BOM = "\ufeff"
_NAME = re.compile(r"(?P<version>[0-9]{1,18})_[A-Za-z0-9][A-Za-z0-9_.-]*\.sql", re.ASCII)
_UNDOES = re.compile(
    r"(?:.*[.])?(?:down|undo|rollback|revert)[.]sql"
    r"|[0-9]+[.](?:down|undo|rollback|revert)[.].*[.]sql"
    r"|U[0-9](?>[0-9._]*?__).*[.]sql",
    re.IGNORECASE | re.DOTALL,
)
"""Names of files that undo a migration, for golang-migrate, sqlx, yoyo, Diesel, Postgrator and Flyway."""
_DOWN = re.compile(r"(?P<before>.*[_-])down(?P<behind>[.]sql)", re.IGNORECASE | re.DOTALL)
_NOT_MIGRATIONS = frozenset({"node_modules", "site-packages", "cdk.out"})
_DEEPEST = 4
"""Levels of sub-folders that are looked into for files that no migrator reads."""


@dataclass(frozen=True, slots=True)
class SqlFile:
    """A file of SQL; `text` has no byte order mark, and `\\n` as its only line end."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class MigrationFile(SqlFile):
    """A file whose name has a number."""

    version: int

    @property
    def name(self) -> str:
        """The name without `.sql`, as the journal holds it."""
        return self.path.name.removesuffix(".sql")

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hex: the same on every system, whatever its line ends."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a folder: migrations by ascending number, others whose name is wrong, and the faults of both."""

    migrations: tuple[MigrationFile, ...] = ()
    misnamed: tuple[SqlFile, ...] = ()
    findings: tuple[MigrationFinding, ...] = ()

    @property
    def sql(self) -> tuple[SqlFile, ...]:
        """All files whose SQL can be read."""
        return (*self.migrations, *self.misnamed)


def read_folder(path: Path) -> Folder:
    """Return the files of a folder.

    Every `.sql` file that lies directly in the folder counts, whatever the case of its suffix; hidden files
    do not. A folder without one is a fault if a sub-folder has one: the path is probably one folder too high.
    """
    try:
        entries = sorted(entry for entry in path.iterdir() if _is_sql(entry))
    except OSError as error:
        return Folder(findings=(_finding(path, rules.FOLDER, reason=_unread(path, error)),))
    names = {entry.name.lower() for entry in entries}
    findings: list[MigrationFinding] = []
    read: list[SqlFile] = []
    for entry in entries:
        if undoes(entry.name, names):
            findings.append(_finding(entry, rules.DOWN_FILE, name=entry.name))
            continue
        file = read_file(entry)
        (read if isinstance(file, SqlFile) else findings).append(file)  # type: ignore[arg-type]
    migrations = sorted(
        (each for each in map(_numbered, read) if each), key=lambda each: (each.version, each.path.name)
    )
    misnamed = [each for each in read if _NAME.fullmatch(each.path.name) is None]
    findings += [_finding(each.path, rules.NAME, name=each.path.name) for each in misnamed]
    findings += _duplicates(migrations)
    if not entries and (below := nested(path)):
        findings.append(_finding(path, rules.NESTED, folders=_listed(path, below)))
    return Folder(tuple(migrations), tuple(misnamed), tuple(findings))


def _unread(folder: Path, error: OSError) -> str:
    """Return the reason of the system, and the folder that a relative path starts from."""
    reason = error.strerror or str(error)
    return reason if folder.is_absolute() else f"{reason}; the path starts from {Path.cwd()}"


def undoes(name: str, others: Iterable[str] = ()) -> bool:
    """Return whether a file's name says that it undoes a migration; `others` are the folder's names in lower case.

    `_down.sql` says so beside a file of the same name with `_up.sql` only: it may be the end of a word.
    """
    if _UNDOES.fullmatch(name):
        return True
    down = _DOWN.fullmatch(name)
    return down is not None and f"{down['before']}up{down['behind']}".lower() in others


def nested(folder: Path) -> list[Path]:
    """Return the folders below a folder, at most `_DEEPEST` levels down, that have `.sql` files."""
    return [each for each in _below(folder, _DEEPEST) if any(map(_is_sql, _entries(each)))]


def sql_files(folder: Path) -> list[Path]:
    """Return the `.sql` files of a folder and of all folders below it, in the order of their paths."""
    return sorted(file for each in (folder, *_below(folder)) for file in _entries(each) if _is_sql(file))


def _below(folder: Path, levels: int | None = None) -> Iterator[Path]:
    """Yield the folders below a folder, each before its own; hidden ones, links and packages are left out."""
    if levels == 0:
        return
    for each in sorted(_entries(folder)):
        hidden = each.name.startswith(".") or each.name in _NOT_MIGRATIONS
        if not hidden and each.is_dir() and not each.is_symlink():
            yield each
            yield from _below(each, None if levels is None else levels - 1)


def _entries(folder: Path) -> list[Path]:
    try:
        return [*folder.iterdir()]
    except OSError:
        return []  # what is in it cannot be read either


def _listed(folder: Path, below: Sequence[Path]) -> str:
    """Return the first sub-folders as text, with the number of the others."""
    shown = ", ".join(f"`{each.relative_to(folder).as_posix()}`" for each in below[:3])
    return shown + (f" and {len(below) - 3} more" if len(below) > 3 else "")


def _is_sql(entry: Path) -> bool:
    """Return whether an entry of a folder counts; one that cannot be read, such as a broken link, does."""
    return entry.suffix.lower() == ".sql" and not entry.name.startswith(".") and not entry.is_dir()


def read_file(path: Path, *, allow_pipe: bool = False) -> SqlFile | MigrationFinding:
    """Return a file, or the fault for which it cannot be read: a pipe is one, unless it is allowed."""
    try:
        data = read_regular(path, allow_pipe=allow_pipe)
    except OSError as error:
        return _finding(path, rules.FILE, reason=error.strerror or str(error))
    return read_bytes(path, data)


def read_bytes(path: Path, data: bytes) -> SqlFile | MigrationFinding:
    """Return the file with this content, or the fault for which it cannot be read."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unreadable(path, data[: error.start].decode("utf-8-sig"), _not_utf8(data, error.start))
    before, mark, _ = text.partition(_BOM)
    if mark:
        return _unreadable(path, before, "a byte order mark stands here, as where two files were joined")
    return SqlFile(path, text.replace("\r\n", "\n").replace("\r", "\n"))


def _numbered(file: SqlFile) -> MigrationFile | None:
    match = _NAME.fullmatch(file.path.name)
    return None if match is None else MigrationFile(file.path, file.text, int(match["version"]))


def _not_utf8(data: bytes, offset: int) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "it begins with the byte order mark of UTF-16"
    return f"byte 0x{data[offset]:02x} at offset {offset} is not UTF-8"


def _unreadable(path: Path, before: str, reason: str) -> MigrationFinding:
    """Return the finding at the position behind the text `before`."""
    at = Source(before).at(len(before))
    return MigrationFinding(path, at.line, at.column, rules.ENCODING, reason, rules.ENCODING.remedy, "")


def _duplicates(files: Sequence[MigrationFile]) -> Iterator[MigrationFinding]:
    first: dict[int, str] = {}
    for file in files:
        other = first.setdefault(file.version, file.path.name)
        if other != file.path.name:
            yield _finding(file.path, rules.VERSION, other=other, version=file.version)


def _finding(path: Path, rule: Rule, **values: object) -> MigrationFinding:
    return MigrationFinding(path, 1, 1, rule, rule.text.format(**values), rule.remedy, rule.sqlstate)
