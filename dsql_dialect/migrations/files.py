"""Read the files of a folder of migrations, ordered by number."""

from __future__ import annotations

import codecs
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsql_dialect.migrations import rules
from dsql_dialect.migrations.errors import MigrationFinding
from dsql_dialect.position import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dsql_dialect.rule import Rule

_BOM = "\ufeff"
_NAME = re.compile(r"(?P<version>[0-9]{1,18})_[A-Za-z0-9][A-Za-z0-9_.-]*\.sql", re.ASCII)


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """A file whose name has a number; `text` has no byte order mark, and `\\n` as its only line end."""

    path: Path
    version: int
    text: str

    @property
    def name(self) -> str:
        """The name without `.sql`, as the journal holds it."""
        return self.path.name.removesuffix(".sql")

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hex: the same on every system, whatever its line ends."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_folder(folder: Path) -> tuple[list[MigrationFile], list[MigrationFinding]]:
    """Return the migrations of a folder by ascending number, and the faults of its names and encodings.

    Every `.sql` file that lies directly in the folder counts, whatever the case of its suffix; hidden files
    do not. A folder without one is a fault if a sub-folder has one: the path is probably one folder too high.
    """
    try:
        entries = sorted(entry for entry in folder.iterdir() if _is_migration(entry))
    except OSError as error:
        return [], [_finding(folder, rules.FOLDER, reason=_unread(folder, error))]
    if not entries and (below := _first_below(folder)):
        return [], [_finding(folder, rules.SUBFOLDER, name=below.as_posix())]
    files: list[MigrationFile] = []
    findings: list[MigrationFinding] = []
    for entry in entries:
        read = _read(entry)
        (files if isinstance(read, MigrationFile) else findings).append(read)  # type: ignore[arg-type]
    files.sort(key=lambda file: (file.version, file.path.name))
    return files, [*findings, *_duplicates(files)]


def _unread(folder: Path, error: OSError) -> str:
    """Return the reason of the system, and the folder that a relative path starts from."""
    reason = error.strerror or str(error)
    return reason if folder.is_absolute() else f"{reason}; the path starts from {Path.cwd()}"


def _first_below(folder: Path) -> Path | None:
    """Return the first SQL file of a sub-folder, relative to the folder; two levels deep, hidden ones left out."""
    found = (path.relative_to(folder) for pattern in ("*/*", "*/*/*") for path in folder.glob(pattern))
    return min(
        (path for path in found if path.suffix.lower() == ".sql" and not str(path).startswith(".")),
        default=None,
    )


def _is_migration(entry: Path) -> bool:
    """Return whether an entry of the folder counts; one that cannot be read, such as a broken link, does."""
    return entry.suffix.lower() == ".sql" and not entry.name.startswith(".") and not entry.is_dir()


def _read(path: Path) -> MigrationFile | MigrationFinding:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return _finding(path, rules.NAME, name=path.name)
    try:
        data = path.read_bytes()
    except OSError as error:
        return _finding(path, rules.FILE, reason=error.strerror or str(error))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unreadable(path, data[: error.start].decode("utf-8-sig"), _not_utf8(data, error.start))
    before, mark, _ = text.partition(_BOM)
    if mark:
        return _unreadable(path, before, "a byte order mark stands here, as where two files were joined")
    return MigrationFile(path, int(match["version"]), text.replace("\r\n", "\n").replace("\r", "\n"))


def _not_utf8(data: bytes, offset: int) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "it begins with the byte order mark of UTF-16"
    return f"byte 0x{data[offset]:02x} at offset {offset} is not UTF-8"


def _unreadable(path: Path, before: str, reason: str) -> MigrationFinding:
    """Return the finding at the position behind the text `before`."""
    at = Source(before).at(len(before))
    return MigrationFinding(path, at.line, at.column, rules.ENCODING, reason, rules.ENCODING.remedy)


def _duplicates(files: Sequence[MigrationFile]) -> Iterator[MigrationFinding]:
    first: dict[int, str] = {}
    for file in files:
        other = first.setdefault(file.version, file.path.name)
        if other != file.path.name:
            yield _finding(file.path, rules.VERSION, other=other, version=file.version)


def _finding(path: Path, rule: Rule, **values: object) -> MigrationFinding:
    return MigrationFinding(path, 1, 1, rule, rule.text.format(**values), rule.remedy)
