"""The first code of a sandbox: limit what it writes, arrange its end with the parent, run the runtime client.

Runs under the function's interpreter (3.10 and newer), which cannot import this package: standard library only.

    python -S launch.py SETTINGS CLIENT HANDLER

SETTINGS is `LaunchSettings` as JSON. CLIENT is `awslambdaric`, or the path of `bootstrap.py`.
"""

import ctypes
import importlib.machinery
import json
import os
import runpy
import signal
import site
import stat
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType, TracebackType

TEMPORARY = "/tmp"  # noqa: S108 - Lambda's own name for the only folder that a function may write into

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_CLONE_NEWUSER, _CLONE_NEWNS = 0x10000000, 0x00020000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
_AT_FDCWD, _AT_RECURSIVE, _RDONLY = -100, 0x8000, 0x1
_MOUNT_SETATTR = 442
"""Number of the system call on all architectures; Linux 5.12 and newer."""


class _MountAttributes(ctypes.Structure):
    """`struct mount_attr` (mount_setattr(2))."""

    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


def exit_with_parent(parent: str) -> None:
    """End this process when its parent ends: also after SIGKILL of the parent, and also in a busy loop.

    `parent` is its pid, or `-` without a parent-death signal: then the parent holds the other end of standard input.
    """
    if parent == "-":
        threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    else:
        supervise(int(parent))


def supervise(parent: int) -> None:
    """Continue in a child process. This one waits for it, kills all that it has left, and ends with the same status.

    The kernel makes orphans below this process its children, so none escapes in a session of its own. SIGTERM, which
    also follows the end of the parent, kills all of them.
    """
    _control(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _stop)
    status = int(signal.SIGKILL)
    try:
        _signal_at_end_of(parent, signal.SIGTERM)
        supervisor, child = os.getpid(), os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.setpgid(0, 0)
            _signal_at_end_of(supervisor, signal.SIGKILL)
            return
        status = _wait_for(child)
    except _Stopped:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _kill_children()
    _end_with(status)


class _Stopped(BaseException):
    """SIGTERM has arrived."""


def _stop(number: int, frame: object) -> None:
    raise _Stopped


def _wait_for(child: int) -> int:
    """Wait for the end of a child, and of the orphans that end before it; return its status."""
    while True:
        ended, status = os.wait()
        if ended == child:
            return status


def _kill_children() -> None:
    """Kill all children; those of a killed one become children of this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    try:
        while True:
            for child in children.read_text("ascii").split():
                os.kill(int(child), signal.SIGKILL)
            os.wait()
    except (ChildProcessError, ProcessLookupError):
        pass  # there is none


def _end_with(status: int) -> None:
    """End this process as the child with this status has ended."""
    if os.WIFSIGNALED(status):
        import resource

        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def _signal_at_end_of(parent: int, number: int) -> None:
    """Let the kernel send a signal to this process when its parent ends."""
    _control(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # the parent ended before the request
        os._exit(1)


def _control(option: int, value: int) -> None:
    _check(ctypes.CDLL(None, use_errno=True).prctl(option, value), f"prctl({option})")


def _exit_at_end_of_input() -> None:
    """Exit at the end of standard input: only the parent holds the other end of the pipe."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def mount_read_only(writable: str, megabytes: int) -> None:
    """Make all files read-only for this process as in Lambda, except an empty `/tmp` of this size and `writable`.

    Uses a mount namespace, in a user namespace that has the same user.

    Raises:
        OSError: the system does not allow it, such as in some containers.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    _check(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _mount(libc, None, "/", None, _MS_REC | _MS_PRIVATE)
    _set_attributes(libc, "/", _MountAttributes(attr_set=_RDONLY))
    _mount(libc, writable, writable, None, _MS_BIND)
    _set_attributes(libc, writable, _MountAttributes(attr_clr=_RDONLY))
    needed = {folder: os.open(folder, os.O_PATH) for folder in _needed_below(TEMPORARY)}
    options = f"size={megabytes}m,mode=1777"
    _mount(libc, "tmpfs", TEMPORARY, "tmpfs", _MS_NOSUID | _MS_NODEV, options)
    for folder, descriptor in needed.items():
        Path(folder).mkdir()
        _mount(libc, f"/proc/self/fd/{descriptor}", folder, None, _MS_BIND | _MS_REC)
        os.close(descriptor)


def _needed_below(parent: str) -> set[str]:
    """Return the folders directly below `parent` with anything that an environment variable or Python names.

    The import path has folders of links to installed packages, so the targets of links in it count as named.
    """
    texts = [sys.prefix, sys.base_prefix, *sys.path, *_links(sys.path), *os.environ.values()]
    paths = (path for text in texts for path in text.split(os.pathsep) if path.startswith(f"{parent}/"))
    return {folder for path in paths if Path(folder := "/".join(path.split("/")[:3])).is_dir()}


def _links(folders: "list[str]") -> "list[str]":
    """Return the targets of the links directly in `folders`."""
    existing = (Path(folder) for folder in folders if Path(folder).is_dir())
    return [str(entry.readlink()) for folder in existing for entry in folder.iterdir() if entry.is_symlink()]


def _write(file: str, text: str) -> None:
    Path(file).write_text(text, "ascii")


def _mount(
    libc: ctypes.CDLL, source: "str | None", target: str, kind: "str | None", flags: int, options: str = ""
) -> None:
    source_, kind_ = (None if each is None else each.encode() for each in (source, kind))
    status = libc.mount(source_, target.encode(), kind_, ctypes.c_ulong(flags), options.encode())
    _check(status, f"mount {target}")


def _set_attributes(libc: ctypes.CDLL, target: str, attributes: _MountAttributes) -> None:
    status = libc.syscall(
        _MOUNT_SETATTR,
        _AT_FDCWD,
        target.encode(),
        _AT_RECURSIVE,
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    _check(status, f"mount_setattr {target}")


def _check(status: int, call: str) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")


def use_copy(code: str, copy: str) -> None:
    """Run a copy of the bundle whose files and folders have no write permission, so that the bundle never changes."""
    import shutil

    shutil.copytree(code, copy, symlinks=True)
    for path in (*Path(copy).rglob("*"), Path(copy)):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    sys.path[:] = [copy + path[len(code) :] if _is_below(path, code) else path for path in sys.path]
    os.environ["LAMBDA_TASK_ROOT"] = copy
    os.chdir(copy)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def cache_bytecode(folders: "list[str]", cache: str, code: str) -> None:
    """Read and write the bytecode of modules in `folders`, which are read-only, in the folder `cache`.

    All folders of the import path must be among them: a module without bytecode is compiled in each sandbox. The
    first is the bundle or a copy of it; the bytecode of a copy is that of `code`, the bundle.
    """
    copied, original = f"{cache}{folders[0]}/", f"{cache}{code}/"

    def cached(path: str) -> str:
        return original + path[len(copied) :] if path.startswith(copied) else path

    class Loader(importlib.machinery.SourceFileLoader):
        def get_data(self, path: str) -> bytes:
            return super().get_data(cached(path))

        def set_data(self, path: str, data: "Any", *, _mode: int = 0o666) -> None:
            super().set_data(cached(path), data, _mode=_mode)

        def get_code(self, fullname: str) -> "CodeType | None":
            sys.pycache_prefix = cache
            try:
                return super().get_code(fullname)
            finally:
                sys.pycache_prefix = None

    kinds = (
        (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
        (Loader, importlib.machinery.SOURCE_SUFFIXES),
    )

    def find(path: str) -> importlib.machinery.FileFinder:
        if not any(_is_below(path, folder) for folder in folders):
            raise ImportError
        return importlib.machinery.FileFinder(path, *kinds)  # type: ignore[arg-type,unused-ignore]

    sys.path_hooks.insert(0, find)
    sys.path_importer_cache.clear()


def send_any_text() -> None:
    """Let Lambda's runtime client send errors of the init phase with any text, such as a path.

    `http.client`, which it uses for them only, encodes text as Latin-1; JSON is UTF-8.
    """
    from awslambdaric import lambda_runtime_client  # type: ignore[import-untyped,unused-ignore]

    encode = lambda_runtime_client.to_json
    send = lambda_runtime_client.LambdaRuntimeClient.call_rapid

    def call_rapid(
        client: object,
        method: str,
        endpoint: str,
        status: int,
        payload: object = None,
        headers: "dict[str, str] | None" = None,
    ) -> None:
        escaped = {name: value.encode("ascii", "backslashreplace") for name, value in (headers or {}).items()}
        send(client, method, endpoint, status, payload, escaped)

    lambda_runtime_client.to_json = lambda value: encode(value).encode()
    lambda_runtime_client.LambdaRuntimeClient.call_rapid = call_rapid


def print_own_frames(client: str) -> None:
    """Print tracebacks without the frames of this file and of the runtime client, which Lambda has not either.

    The only line that helps would be below dozens of them.
    """

    def is_foreign(file: str) -> bool:
        return (
            file in {__file__, client, "<frozen runpy>"}
            or f"/{client}/" in file
            or file.endswith("/runpy.py")
        )

    def hook(kind: "type[BaseException]", error: BaseException, trace: "TracebackType | None") -> None:
        whole = traceback.TracebackException(kind, error, trace)
        printed: traceback.TracebackException | None = whole
        while printed is not None:
            printed.stack[:] = [frame for frame in printed.stack if not is_foreign(frame.filename)]
            printed = printed.__cause__ or printed.__context__
        sys.stderr.writelines(whole.format())

    sys.excepthook = hook


def main(settings: "dict[str, str]", client: str, handler: str) -> None:
    """Run `client` as the main program, with the function's folders first on `sys.path`."""
    del sys.path[0]  # the folder of this file
    code = settings["code"]
    if not (settings["namespaces"] and _is_mounted(settings)):
        use_copy(code, settings["copy"])
        os.environ["TMPDIR"] = settings["temporary"]
    exit_with_parent(settings["parent"])  # a change of the user namespace would reset the signal
    packages = os.environ["PYTHONPATH"].split(os.pathsep)
    cache_bytecode([os.environ["LAMBDA_TASK_ROOT"], settings["opt"], *packages], settings["bytecode"], code)
    # Lambda imports site; -S only excludes the packages of this machine.
    site.setquit()  # type: ignore[attr-defined,unused-ignore]
    sys.argv = [client, handler]
    print_own_frames(client)
    if client.endswith(".py"):
        runpy.run_path(client, run_name="__main__")
    else:
        send_any_text()
        runpy.run_module(client, run_name="__main__", alter_sys=True)


def _is_mounted(settings: "dict[str, str]") -> bool:
    """Return whether the files are read-only now."""
    try:
        mount_read_only(settings["bytecode"], int(settings["megabytes"]))
    except OSError:
        return False
    os.chdir(settings["code"])
    return True


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2], sys.argv[3])
