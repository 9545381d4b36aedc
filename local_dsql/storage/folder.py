"""Paths inside the folder of a local cluster."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from local_dsql.errors import FolderError
from local_dsql.storage.file_remedies import remedy_of

DEFAULT_FOLDER = Path(".blocks/local/main")


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one local cluster, which contains all its files.

    One exception: if the path is too long for a unix socket address, the sockets are in the system's temporary folder.
    """

    path: Path

    @classmethod
    def at(cls, path: Path | str) -> Folder:
        """Return the folder at the absolute form of `path`; nothing is created yet."""
        return cls(Path(path).expanduser().absolute())

    @property
    def users_lock(self) -> Path:
        """Lock that every user of the cluster holds shared; the server runs as long as it is held."""
        return self.path / "users.lock"

    @property
    def start_lock(self) -> Path:
        """Lock held while attaching or starting, so that concurrent users start one server."""
        return self.path / "start.lock"

    @property
    def server_lock(self) -> Path:
        """Lock held by the server process for its lifetime."""
        return self.path / "server.lock"

    @property
    def state_file(self) -> Path:
        """Pid and control socket of the running server."""
        return self.path / "server.json"

    @property
    def options_file(self) -> Path:
        """Options of the server with what its users have set since; the next server has them while there are users."""
        return self.path / "options.json"

    @property
    def server_log(self) -> Path:
        """Log of the server process since its start."""
        return self.path / "server.log"

    @property
    def postgres_log(self) -> Path:
        """Log of PostgreSQL since the start of the server process."""
        return self.path / "postgres.log"

    @property
    def record_file(self) -> Path:
        """Identifier and ports."""
        return self.path / "cluster.json"

    @property
    def identities_file(self) -> Path:
        """IAM principals with their credentials."""
        return self.path / "identities.json"

    @property
    def authority_file(self) -> Path:
        """Certificate of the authority that clients verify the server with."""
        return self.path / "ca.pem"

    @property
    def certificates(self) -> Path:
        """Private keys and the server certificate."""
        return self.path / "tls"

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.path / "data"

    @property
    def built_file(self) -> Path:
        """Record of what the data directory was built from; without it the directory is incomplete."""
        return self.path / "built.json"

    @property
    def binaries_copy(self) -> Path:
        """Copy of PostgreSQL's programs for an unprivileged user that cannot reach the installed ones."""
        return self.path / "postgresql"

    @property
    def sockets(self) -> Path:
        """Unix sockets of PostgreSQL and of the control protocol."""
        return self.path / "run"

    @property
    def has_cluster(self) -> bool:
        """True if a cluster was created here, also if its record is missing."""
        return self.record_file.exists() or self.built_file.exists()

    def _ignored_folders(self) -> tuple[Path, ...]:
        """Return this folder, and the project's `.blocks` that it is in."""
        project = self.path.parents[1] if self.path.parts[-3:-1] == DEFAULT_FOLDER.parts[:-1] else None
        return (self.path,) if project is None else (project, self.path)

    def prepare(self) -> None:
        """Create the folder, private to its owner and ignored by git.

        Raises:
            FolderError: it cannot be created or written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.certificates.mkdir(mode=0o700, exist_ok=True)
            for folder in self._ignored_folders():
                ignore_in_git(folder)
        except OSError as error:
            raise unusable_folder(self.path, error) from None


def ignore_in_git(folder: Path) -> None:
    """Exclude the content of a folder from git, unless it has a .gitignore.

    Raises:
        OSError: the folder cannot be written.
    """
    with contextlib.suppress(FileExistsError), (folder / ".gitignore").open("x") as file:
        file.write("*\n")


def unusable_folder(path: Path, error: OSError) -> FolderError:
    """Return the error for a folder that cannot be used."""
    return FolderError(
        f"cannot use the folder {path} for a local database",
        error.strerror or str(error),
        f"{remedy_of(error)}; or choose another folder",
    )
