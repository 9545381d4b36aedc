"""A new data directory, kept in the cache folder: to copy it takes a fifth of the time that initdb takes.

initdb makes the same files each time, with the same program and options. They contain no password and no path.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_settings.cache_folder import cache_folder
from local_dsql.postgres.settings import INITDB_OPTIONS

if TYPE_CHECKING:
    from local_dsql.postgres.binaries import Binaries

_log = logging.getLogger(__name__)

_WRITABLE_BY_OTHERS = 0o022


class KeptDirectory:
    """The kept data directory of one version of the programs. Without a cache folder that can be used, it is absent.

    A copy of another folder layout, of another user, or one that others may change is not used.
    """

    def __init__(self, binaries: Binaries) -> None:
        self._initdb = binaries.initdb
        self._version = binaries.version

    def copy_to(self, target: Path) -> bool:
        """Copy it to `target`, which must not exist; return whether it is there and whole.

        If not, `target` does not exist afterwards.
        """
        try:
            folder = self._folder()
            if not _is_private(folder):
                return False
            expected = json.loads((folder / "size.json").read_text())
            shutil.copytree(folder / "data", target)
            if expected == _size(target):
                return True
            _log.warning("the data directory in %s is damaged: it is not used", folder)
        except FileNotFoundError:
            return False
        except (OSError, RuntimeError, ValueError, shutil.Error) as error:
            _log.debug("the kept data directory cannot be used: %s", error)
        shutil.rmtree(target, ignore_errors=True)
        return False

    def keep(self, source: Path) -> None:
        """Keep a copy of the new data directory `source`, in place of a damaged one; without effect if it cannot."""
        try:
            folder = self._folder()
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="data-directory-") as name:
                partial = Path(name) / "kept"
                shutil.copytree(source, partial / "data")
                (partial / "size.json").write_text(json.dumps(_size(partial / "data")))
                partial.chmod(0o700)
                shutil.rmtree(folder, ignore_errors=True)
                partial.rename(folder)
        except (OSError, RuntimeError, shutil.Error) as error:  # another process may have kept one, too
            _log.debug("the data directory cannot be kept: %s", error)

    def _folder(self) -> Path:
        """Return the folder for these programs and options."""
        program = self._initdb.resolve().stat()
        made_by = (
            str(self._initdb.resolve()),
            self._version,
            program.st_mtime_ns,
            program.st_size,
            INITDB_OPTIONS,
        )
        digest = hashlib.sha256(json.dumps(made_by).encode()).hexdigest()[:16]
        return cache_folder() / f"data-directory-{digest}"


def _is_private(folder: Path) -> bool:
    """Return whether the folder is this user's, and no other user may write to it.

    Raises:
        OSError: it does not exist.
    """
    state = folder.stat()
    return state.st_uid == os.geteuid() and not state.st_mode & _WRITABLE_BY_OTHERS


def _size(folder: Path) -> list[int]:
    """Return the number of files, and their bytes: a copy that was cut off by a power failure has fewer."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [len(files), sum(path.stat().st_size for path in files)]
