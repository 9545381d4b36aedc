"""Under which account PostgreSQL runs: it refuses to run as root."""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from local_dsql.errors import PostgresError
from local_dsql.postgres.binaries import Binaries

if TYPE_CHECKING:
    from collections.abc import Callable

_CLONE_NEWUSER = 0x10000000
_NOBODY = 65534
_CANNOT_BECOME = 71
"""Exit code of a child that could not become somebody else."""
_UNSHARE_TIMEOUT = 2.0
"""Seconds that the threads of other people's fork hooks have to end."""
_SUPPORTS_NAMESPACES = Path("/proc/self/ns/user").exists()
_libc = ctypes.CDLL(None, use_errno=True)


class Account(Protocol):
    """How a child process becomes somebody that PostgreSQL agrees to run as."""

    def enter(self) -> None:
        """Become that account; called in the child, between fork and exec."""

    def own(self, path: Path) -> None:
        """Give `path` to the account, as a folder or a file that it must own."""

    def binaries(self, found: Binaries, copy: Path) -> Binaries:
        """Return programs that the account can run: the ones found, or a copy in the folder `copy`."""


@dataclass(frozen=True, slots=True)
class SameUser:
    """The user of this process, who is not root."""

    def enter(self) -> None:
        """Nothing to change."""

    def own(self, path: Path) -> None:
        """It is the owner already."""

    def binaries(self, found: Binaries, copy: Path) -> Binaries:
        """Return the programs as found."""
        return found


@dataclass(frozen=True, slots=True)
class UserNamespace(SameUser):
    """Root outside, nobody inside a user namespace: files stay root's, no other account is needed.

    Works with programs and data below a home folder of mode 0700, and changes no permission anywhere.
    """

    def own(self, path: Path) -> None:
        """Take back what an earlier run under another user left."""
        _change_owner(path, os.getuid(), os.getgid())

    def enter(self) -> None:
        """Leave for a namespace whose user 65534 is the user of this process."""
        uid, gid = os.getuid(), os.getgid()
        _unshare(time.monotonic() + _UNSHARE_TIMEOUT)
        _write("/proc/self/setgroups", b"deny")
        _write("/proc/self/gid_map", b"%d %d 1" % (_NOBODY, gid))
        _write("/proc/self/uid_map", b"%d %d 1" % (_NOBODY, uid))


@dataclass(frozen=True, slots=True)
class OtherUser:
    """Another, unprivileged user; for root where user namespaces are forbidden, as in many containers."""

    uid: int
    gid: int

    def enter(self) -> None:
        """Drop to that user for good."""
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)

    def own(self, path: Path) -> None:
        """Change the owner of `path`, and of everything in it.

        Raises:
            PostgresError: the user cannot get there, because a folder above is closed to it.
        """
        _change_owner(path, self.uid, self.gid)
        if not self._can(["test", "-d", path]):
            raise PostgresError(
                f"PostgreSQL cannot use {path}",
                "it refuses to run as root, user namespaces are forbidden here, "
                f"and the user with id {self.uid} may not enter a folder above that path",
                "choose a folder that every user can reach (--path /srv/dsql), or run as an ordinary user",
            )

    def binaries(self, found: Binaries, copy: Path) -> Binaries:
        """Return the programs, copied where the user cannot reach them."""
        if self._can([found.postgres, "--version"]):
            return found
        if not copy.exists():
            partial = copy.with_name(f"{copy.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            _copy_installation(found.folder, partial)
            partial.rename(copy)
        return Binaries(copy.joinpath(*found.folder.parts[-3:]), found.version)

    def _can(self, command: list[str | Path]) -> bool:
        try:
            answer = subprocess.run(command, preexec_fn=child_setup(self), capture_output=True, check=False)
        except PermissionError:
            return False
        return answer.returncode == 0


def choose_account() -> Account:
    """Return how to run PostgreSQL here: as this user, in a user namespace, or as nobody."""
    if os.geteuid() != 0:
        return SameUser()
    if _SUPPORTS_NAMESPACES and _works(UserNamespace()):
        return UserNamespace()
    nobody = pwd.getpwnam("nobody")
    return OtherUser(nobody.pw_uid, nobody.pw_gid)


def child_setup(account: Account, then: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """Return what a child does between fork and exec: become the account, `then` the rest.

    Where that fails the child says why in its own output and ends; `subprocess` would keep the reason to itself.
    """

    def enter() -> None:
        try:
            account.enter()
            then()
        except BaseException as error:
            os.write(2, f"cannot become an unprivileged user: {error!r}\n".encode())
            os._exit(_CANNOT_BECOME)

    return enter


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGQUIT when the parent's forking thread ends; called in the child after `enter`.

    A change of user clears the request, so it comes last. Linux only.
    """
    _libc.prctl(1, signal.SIGQUIT)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _copy_installation(programs: Path, target: Path) -> None:
    """Copy the installation around the folder `programs`, and the libraries that a wheel puts beside it."""
    installation, package = programs.parent, programs.parent.parent
    shutil.copytree(installation, target / package.name / installation.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for folder in (target, target / package.name):
        folder.chmod(0o755)


def _change_owner(path: Path, uid: int, gid: int) -> None:
    """Give away `path` and everything in it; no work where it is so already."""
    if path.stat().st_uid != uid:
        for entry in (*path.rglob("*"), path):
            os.chown(entry, uid, gid, follow_symlinks=False)


def _works(account: Account) -> bool:
    answer = subprocess.run(["true"], preexec_fn=child_setup(account), capture_output=True, check=False)
    return answer.returncode == 0


def _unshare(until: float) -> None:
    """Leave the user namespace, which only a process of one thread may.

    What others have registered for the child of a fork (`os.register_at_fork`) may start threads: OpenTelemetry's SDK
    does, and its threads are over before the kernel has noticed.
    """
    while _libc.unshare(_CLONE_NEWUSER):
        number = ctypes.get_errno()
        if number != errno.EINVAL or time.monotonic() >= until:
            raise OSError(number, os.strerror(number), "unshare")
        time.sleep(0.001)


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
