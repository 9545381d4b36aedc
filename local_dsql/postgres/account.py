"""The OS account that PostgreSQL runs as: it refuses to run as root."""

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
"""Exit code of a child process that could not change its account."""
_UNSHARE_TIMEOUT = 2.0
"""Seconds to wait for threads that fork hooks of other libraries have started."""
_SUPPORTS_NAMESPACES = Path("/proc/self/ns/user").exists()
_libc = ctypes.CDLL(None, use_errno=True)


class Account(Protocol):
    """An account that PostgreSQL runs as, and how a child process switches to it."""

    def enter(self) -> None:
        """Switch to the account; called in the child process between fork and exec."""

    def own(self, path: Path) -> None:
        """Make the account the owner of `path`, a file or folder."""

    def binaries(self, found: Binaries, copy: Path) -> Binaries:
        """Return programs that the account can run: `found`, or a copy of them in the folder `copy`."""


@dataclass(frozen=True, slots=True)
class SameUser:
    """The user of this process, not root."""

    def enter(self) -> None:
        """Do nothing."""

    def own(self, path: Path) -> None:
        """Do nothing: this user is the owner."""

    def binaries(self, found: Binaries, copy: Path) -> Binaries:
        """Return the programs unchanged."""
        return found


@dataclass(frozen=True, slots=True)
class UserNamespace(SameUser):
    """This user outside and user 65534 inside a user namespace, for root and users without a name.

    Files still belong to this user. Works with programs and data below a home folder of mode 0700, and changes no
    permissions.
    """

    def own(self, path: Path) -> None:
        """Take ownership of files that a run under another account left."""
        _change_owner(path, os.getuid(), os.getgid())

    def enter(self) -> None:
        """Enter a user namespace that maps user 65534 to the user of this process."""
        uid, gid = os.getuid(), os.getgid()
        _unshare(time.monotonic() + _UNSHARE_TIMEOUT)
        _write("/proc/self/setgroups", b"deny")
        _write("/proc/self/gid_map", b"%d %d 1" % (_NOBODY, gid))
        _write("/proc/self/uid_map", b"%d %d 1" % (_NOBODY, uid))


@dataclass(frozen=True, slots=True)
class OtherUser:
    """Another, unprivileged user; for root without user namespaces, as in many containers."""

    uid: int
    gid: int

    def enter(self) -> None:
        """Drop privileges to the user, irrevocably."""
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)

    def own(self, path: Path) -> None:
        """Change the owner of `path` recursively.

        Raises:
            PostgresError: the user cannot enter a parent folder of `path`.
        """
        _change_owner(path, self.uid, self.gid)
        if not self._can(["test", "-d", path]):
            raise PostgresError(
                f"PostgreSQL cannot use {path}",
                "it refuses to run as root, user namespaces are forbidden here, "
                f"and the user with id {self.uid} may not enter a parent folder of that path",
                "choose a folder that every user can reach, such as /srv/dsql, or run as an ordinary user",
            )

    def binaries(self, found: Binaries, copy: Path) -> Binaries:
        """Return the programs, or a copy if the user cannot reach them."""
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
    """Return the account for PostgreSQL: this user, a user namespace, or the system's unprivileged user.

    A user without a name, as in many containers, has one inside the namespace.

    Raises:
        PostgresError: this user has no name, and user namespaces are forbidden.
    """
    user = os.geteuid()
    if user != 0 and _has_name(user):
        return SameUser()
    if _SUPPORTS_NAMESPACES and _has_name(_NOBODY) and _works(UserNamespace()):
        return UserNamespace()
    if user != 0:
        raise PostgresError(
            f"PostgreSQL cannot run as this user, whose id {user} has no name",
            "initdb refuses a user who is not in /etc/passwd, and user namespaces are forbidden here",
            f"add the line app:x:{user}:0::/tmp:/bin/false to /etc/passwd, or run as a user with a name",
        )
    nobody = pwd.getpwnam("nobody")
    return OtherUser(nobody.pw_uid, nobody.pw_gid)


def child_setup(account: Account, then: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """Return a function for the child process between fork and exec: switch to the account, then call `then`.

    On failure the child process prints the reason and exits; `subprocess` would hide the reason.
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
    """Request SIGQUIT from the kernel for the end of the parent's forking thread; called in the child after `enter`.

    A change of user clears the request, so this comes last. Linux only.
    """
    _libc.prctl(1, signal.SIGQUIT)
    if os.getppid() != parent:  # the parent died before the request
        os._exit(1)


def _copy_installation(programs: Path, target: Path) -> None:
    """Copy the installation that contains the folder `programs`, and the libraries of a wheel beside it."""
    installation, package = programs.parent, programs.parent.parent
    shutil.copytree(installation, target / package.name / installation.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for folder in (target, target / package.name):
        folder.chmod(0o755)


def _change_owner(path: Path, uid: int, gid: int) -> None:
    """Change the owner of `path` recursively; skip it if the owner of `path` is right."""
    if path.stat().st_uid != uid:
        for entry in (*path.rglob("*"), path):
            os.chown(entry, uid, gid, follow_symlinks=False)


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def _works(account: Account) -> bool:
    answer = subprocess.run(["true"], preexec_fn=child_setup(account), capture_output=True, check=False)
    return answer.returncode == 0


def _unshare(until: float) -> None:
    """Leave the user namespace, which the kernel allows only to a single-threaded process.

    Hooks that other libraries registered for forks (`os.register_at_fork`) may start threads: OpenTelemetry's SDK does.
    Such a thread may have ended while the kernel still counts it.
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
