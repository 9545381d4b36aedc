"""The local files of a project: the folder `.blocks` beside its `cdk.json`."""

from __future__ import annotations

import contextlib
import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_runtime.shared.project import project_folder
from local_dsql.storage.folder import ignore_in_git

if TYPE_CHECKING:
    from collections.abc import Iterator


DEV = "dev"
"""The command that holds the lock on a deployment for as long as it runs."""


def project_root() -> Path:
    """Return the root of the project around the current folder, by the runtime's rule."""
    return project_folder(Path.cwd())


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders below a project's root."""

    root: Path

    @property
    def folder(self) -> Path:
        """Return `.blocks`."""
        return self.root / ".blocks"

    @property
    def clusters(self) -> Path:
        """Return the folder of the local clusters, with a folder for each."""
        return self.folder / "local"

    @property
    def dynamodb(self) -> Path:
        """Return the folder of the local DynamoDB."""
        return self.folder / "dynamodb"

    @property
    def stacks(self) -> Path:
        """Return the folder of the deployed stacks, with a state file for each."""
        return self.folder / "stacks"

    @property
    def code(self) -> Path:
        """Return the folder of unpacked bundles and layers."""
        return self.folder / "cache" / "code"

    @property
    def bytecode(self) -> Path:
        """Return the folder of the compiled modules of bundles and layers."""
        from blocks_cli.lambda_.code_store import CodeStore

        return CodeStore(self.code).bytecode

    @property
    def packages(self) -> Path:
        """Return the folder of links to installed packages."""
        return self.folder / "cache" / "packages"

    @property
    def temporary(self) -> Path:
        """Return the folder of the sandboxes' temporary files."""
        return self.folder / "tmp"

    @property
    def logs(self) -> Path:
        """Return the folder of the functions' output."""
        return self.folder / "logs"

    @property
    def assembly(self) -> Path:
        """Return the output folder of the synth."""
        return self.folder / "cdk.out"

    def create(self) -> None:
        """Create `.blocks`, which git ignores."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ignore_in_git(self.folder)

    @contextlib.contextmanager
    def deploying(self, command: str = "deploy") -> Iterator[None]:
        """Hold the lock on the deployment; `command` is named in the error of another process that wants it.

        Raises:
            CommandError: another process is deploying or destroying, or runs `blocks dev`.
        """
        self.create()
        with (self.folder / "deploy.lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise self._locked(file.read()) from None
            file.truncate(0)
            file.write(command)
            file.flush()
            yield

    def _locked(self, command: str) -> CommandError:
        """Return the error for a lock that a process with this command holds."""
        if command == DEV:
            return CommandError(
                f"{self.folder}: `blocks dev` is running",
                "it deploys each change of this project; another process holds deploy.lock",
                "end it with Ctrl-C first, or let it deploy the change",
            )
        return CommandError(
            f"{self.folder}: another deploy is running",
            "another process holds deploy.lock",
            "wait for its end, then run the command again",
        )
