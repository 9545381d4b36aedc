"""Client handle to a folder's server: start or attach, send requests, detach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.client.launch import (
    DEFAULT_DIALECT,
    DEFAULT_REGIONS,
    START_TIMEOUT,
    STOP_TIMEOUT,
    SUSPEND_ALWAYS,
    ServerOptions,
    connect,
    launch,
    stopped_error,
    unresponsive_error,
    wait_for_end,
)
from local_dsql.control.status import ClusterStatus
from local_dsql.errors import ServerError
from local_dsql.storage.folder import unusable_folder
from local_dsql.storage.locks import FileLock

if TYPE_CHECKING:
    from local_dsql.control.protocol import ControlConnection, Json
    from local_dsql.storage.folder import Folder


@dataclass(frozen=True, slots=True)
class RequestedOptions:
    """Server options that a user asks for; None or empty accepts those of a running server."""

    regions: tuple[str, ...]
    dialect: str | None
    commit_latency: float | None
    suspend_always: bool | None = None
    port: int | None = None

    def complete(self) -> ServerOptions:
        """Return options for a new server: the default ones where the user asks for none."""
        return ServerOptions(
            self.dialect or DEFAULT_DIALECT,
            self.regions or DEFAULT_REGIONS,
            self.commit_latency or 0.0,
            bool(self.suspend_always) or SUSPEND_ALWAYS,
            self.port,
        )


class ServerHandle:
    """Holds the shared lock that keeps the server of a folder running, and sends requests to the server.

    The options of the server, and what its users have set since, belong to the folder as long as it has users: a server
    that one of them starts in the place of one that has died has the same.
    """

    def __init__(self, folder: Folder, requested: RequestedOptions) -> None:
        self._folder = folder
        self._requested = requested
        self._users = FileLock(folder.users_lock)
        self._status: ClusterStatus | None = None

    def start(self) -> None:
        """Attach to the server of the folder, or start one; return once it accepts connections.

        Raises:
            ServerMismatchError: the server runs with another option.
            LocalDatabaseError: no server can be started.
        """
        if self._status is not None and (status := self._attach()) is not None:
            self._status = status
            return
        before = self._status
        self._folder.prepare()
        starting = FileLock(self._folder.start_lock)
        try:
            if before is None and self._users.try_lock_exclusive():
                self._folder.options_file.unlink(missing_ok=True)  # of users that have all died
            self._users.lock_shared(STOP_TIMEOUT)
            starting.lock_exclusive(START_TIMEOUT)
            self._status = self._attach() or self._launch()
        except TimeoutError as error:
            raise unresponsive_error(self._folder, error) from None
        except OSError as error:
            raise unusable_folder(self._folder.path, error) from None
        finally:
            starting.release()
            if self._status is None:  # else it stays a user, whose next call tries again
                self._users.release()

    def leave(self) -> None:
        """Release the server, and wait until it ends if this was its last user; no effect if not attached."""
        if self._status is not None:
            self._status = None
            self._users.release()
            wait_for_end(self._folder, "leave")

    @property
    def status(self) -> ClusterStatus:
        """Status of the server at the time of attaching.

        Raises:
            ServerError: not attached.
        """
        if self._status is None:
            raise ServerError(
                f"the local cluster in {self._folder.path} is not started",
                "start() was not called, or the LocalCluster is closed",
                "use it in a with statement, or call start()",
            )
        return self._status

    def connect(self) -> ControlConnection:
        """Open a new connection to the server.

        Raises:
            ServerError: not attached, or the server has stopped.
        """
        _ = self.status
        connection = connect(self._folder)
        if connection is None:
            raise stopped_error(self._folder, "the local database has stopped")
        return connection

    def call(self, method: str, parameters: Json) -> Json:
        """Send a request and return the result.

        Raises:
            ServerError: not attached, or the server has stopped.
        """
        connection = self.connect()
        try:
            return connection.call(method, parameters)
        except OSError:
            raise stopped_error(self._folder, f"the local database stopped during {method}") from None
        finally:
            connection.close()

    def _attach(self) -> ClusterStatus | None:
        connection = connect(self._folder)
        if connection is None:
            return None
        wanted = {
            "dialect": self._requested.dialect,
            "commit_latency": self._requested.commit_latency,
            "suspend_always": self._requested.suspend_always,
            "regions": self._requested.regions,
            "port": self._requested.port,
        }
        try:
            return ClusterStatus.read(connection.call("attach", wanted))
        except TimeoutError as error:
            raise unresponsive_error(self._folder, error) from None
        except OSError:
            return None  # the server is shutting down
        finally:
            connection.close()

    def _launch(self) -> ClusterStatus:
        launch(self._folder, ServerOptions.kept(self._folder) or self._requested.complete())
        status = self._attach()
        if status is None:
            raise stopped_error(self._folder, "the local database stopped right after its start")
        return status
