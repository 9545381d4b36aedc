"""Paths inside the folder of a local cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local_dsql.errors import FolderError

DEFAULT_FOLDER = Path(".blocks/local/main")


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one local cluster; nothing of the cluster lies outside it.

    One exception: where the path is too long for a unix socket's address, the sockets lie in the system's
    temporary folder.
    """

    path: Path

    @classmethod
    def at(cls, path: Path | str) -> Folder:
        """Return the folder at `path`, made absolute; nothing is created yet."""
        return cls(Path(path).expanduser().absolute())

    @property
    def users_lock(self) -> Path:
        """Everybody who uses the cluster holds this lock shared; the server runs as long as somebody does."""
        return self.path / "users.lock"

    @property
    def start_lock(self) -> Path:
        """Held while a server is looked for and started, so that two starters start one."""
        return self.path / "start.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the server process as long as it lives."""
        return self.path / "server.lock"

    @property
    def state_file(self) -> Path:
        """Where the running server is to be found."""
        return self.path / "server.json"

    @property
    def server_log(self) -> Path:
        """Messages of the server process since its start."""
        return self.path / "server.log"

    @property
    def postgres_log(self) -> Path:
        """Messages of PostgreSQL since the start of the server process."""
        return self.path / "postgres.log"

    @property
    def record_file(self) -> Path:
        """Identifier and ports."""
        return self.path / "cluster.json"

    @property
    def identities_file(self) -> Path:
        """IAM principals and their keys."""
        return self.path / "identities.json"

    @property
    def authority_file(self) -> Path:
        """Certificate that clients verify the server with."""
        return self.path / "ca.pem"

    @property
    def certificates(self) -> Path:
        """Keys and the server certificate."""
        return self.path / "tls"

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.path / "data"

    @property
    def built_file(self) -> Path:
        """What the data directory was built from; without it the directory is unfinished."""
        return self.path / "built.json"

    @property
    def binaries_copy(self) -> Path:
        """Copy of PostgreSQL's programs, where an unprivileged user cannot reach the installed ones."""
        return self.path / "postgresql"

    @property
    def sockets(self) -> Path:
        """Unix sockets of PostgreSQL and of the control protocol."""
        return self.path / "run"

    def prepare(self) -> None:
        """Create the folder, closed to others and invisible to git.

        Raises:
            FolderError: it cannot be created or written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.certificates.mkdir(mode=0o700, exist_ok=True)
            (self.path / ".gitignore").write_text("*\n")
        except OSError as error:
            raise unusable_folder(self.path, error) from None


def unusable_folder(path: Path, error: OSError) -> FolderError:
    """Return the error for a folder that the system does not let us use."""
    return FolderError(
        f"cannot use the folder {path} for a local database",
        error.strerror or str(error),
        "give this user the folder and room on its disk, or choose another one (--path)",
    )
