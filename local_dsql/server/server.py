"""The server of one folder: endpoints, control requests, shutdown."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, cast

from blocks_runtime.signing import Credentials
from local_dsql.access import ClusterName, Effect, IdentityStore, Permission
from local_dsql.access.cluster_name import LOCAL_ACCOUNT
from local_dsql.client.launch import write_state
from local_dsql.control.server import ControlServer
from local_dsql.errors import ServerMismatchError
from local_dsql.server.cluster_record import ClusterRecord
from local_dsql.server.conflict_handlers import ConflictHandlers
from local_dsql.server.cost_handlers import CostHandlers
from local_dsql.server.endpoints import Endpoints
from local_dsql.storage.locks import FileLock

if TYPE_CHECKING:
    from local_dsql.client.launch import ServerOptions
    from local_dsql.control.protocol import Json
    from local_dsql.control.server import Handler
    from local_dsql.server.instance import Instance
    from local_dsql.server.startup_pipe import StartupPipe
    from local_dsql.storage.folder import Folder

ADMIN_ARN = f"arn:aws:iam::{LOCAL_ACCOUNT}:user/local-admin"
"""The IAM user that logs in as `admin`; the owner of the folder has its credentials."""

_WATCH_INTERVAL = 0.2
"""Seconds between checks for killed users and a killed PostgreSQL."""


class Server:
    """Serves a folder as long as a user holds its users lock."""

    def __init__(self, folder: Folder, options: ServerOptions, instance: Instance) -> None:
        self._options = options
        self._folder = folder
        self._instance = instance
        self._record = ClusterRecord.load(self._folder)
        name = ClusterName(self._record.identifier)
        self._identities = IdentityStore(self._folder.identities_file)
        self._admin = self._identities.register(ADMIN_ARN, [Permission("dsql:*", name.arn("*"))])
        self._endpoints = Endpoints(folder, options, instance, self._record, name, self._identities)
        self._stop = asyncio.Event()
        self._users = FileLock(self._folder.users_lock)
        self._pin = FileLock(self._folder.users_lock)

    async def run(self, pipe: StartupPipe) -> None:
        """Serve until the folder has no user, a signal or request stops the server, or PostgreSQL fails.

        Raises:
            LocalDatabaseError: PostgreSQL ended unexpectedly, or an endpoint cannot be opened.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        conflicts = ConflictHandlers(self._endpoints)
        costs = CostHandlers(self._endpoints)
        handlers = {**self._handlers(), **conflicts.handlers, **costs.handlers}
        control = ControlServer(handlers, conflicts.stream_handlers)
        try:
            await self._instance.open()
            await self._endpoints.open(self._options.regions)
            path = self._instance.sockets / "control.sock"
            await control.listen(path)
            self._keep_options()
            write_state(self._folder, path)
            pipe.send_ready()
            await self._watch()
        finally:
            self._folder.state_file.unlink(missing_ok=True)
            await control.close()
            costs.close()
            await self._endpoints.close()
            await self._instance.settle()

    async def _watch(self) -> None:
        while not self._stop.is_set() and not self._is_unused():
            if not self._instance.is_running:
                raise self._instance.failure()
            try:
                await asyncio.wait_for(self._stop.wait(), _WATCH_INTERVAL)
            except TimeoutError:
                continue

    def _is_unused(self) -> bool:
        """Return whether the users lock is free; if so, keep it: new users then wait for the end of this server."""
        if not self._stop.is_set() and self._users.try_lock_exclusive():
            self._folder.options_file.unlink(missing_ok=True)
            self._stop.set()
        return self._stop.is_set()

    def _keep_options(self) -> None:
        """Write what the server has been told, for the one that a user starts if this one dies."""
        endpoints = self._endpoints
        self._options = replace(
            self._options,
            regions=tuple(endpoints.ports),
            stopped_regions=tuple(sorted(endpoints.stopped)),
            unavailable_regions=tuple(sorted(endpoints.unavailable)),
            job_delay=endpoints.job_delay,
        )
        self._options.keep(self._folder)

    def _handlers(self) -> dict[str, Handler]:
        return {
            "attach": self._attach,
            "status": self._status,
            "register": self._register,
            "identity": self._identity,
            "reset": self._reset,
            "save_snapshot": self._save_snapshot,
            "restore_snapshot": self._restore_snapshot,
            "stop_region": self._stop_region,
            "start_region": self._start_region,
            "set_available": self._set_available,
            "delay_jobs": self._delay_jobs,
            "pin": self._pin_server,
            "leave": self._leave,
            "stop": self._stop_server,
        }

    async def _attach(self, parameters: Json) -> Json:
        """Check the options of a new user, and open the requested Regions."""
        if not self._instance.is_running:
            raise ConnectionAbortedError("this server is shutting down; retry")
        for option in ("dialect", "commit_latency", "suspend_always"):
            wanted, served = parameters.get(option), getattr(self._options, option)
            if wanted is not None and wanted != served:
                raise ServerMismatchError(
                    f"the server of {self._folder.path} runs with another {option.replace('_', ' ')}",
                    f"process {os.getpid()} runs with {served}, not {wanted}",
                    f"use {served}, stop the server first, or choose another folder",
                )
        first, wanted = next(iter(self._endpoints.ports.values())).number, parameters.get("port")
        if wanted is not None and wanted != first:
            raise ServerMismatchError(
                f"the server of {self._folder.path} has another port",
                f"process {os.getpid()} listens on {first}, not {wanted}",
                f"use {first}, or stop the server first",
            )
        await self._endpoints.add(cast("list[str]", parameters["regions"]))
        self._keep_options()
        return await self._status({})

    async def _status(self, _: Json) -> Json:
        return {
            "pid": os.getpid(),
            "identifier": self._record.identifier,
            "dialect": self._options.dialect,
            "commit_latency": self._options.commit_latency,
            "ports": {region: port.number for region, port in self._endpoints.ports.items()},
            "stopped_regions": [each for each in self._endpoints.ports if self._endpoints.is_closed(each)],
            "moved_ports": self._endpoints.moved,
            "job_delay": self._endpoints.job_delay,
            "admin": asdict(self._admin.credentials),
        }

    async def _register(self, parameters: Json) -> Json:
        rows = cast("list[dict[str, str]]", parameters["permissions"])
        permissions = [Permission(row["action"], row["resource"], Effect(row["effect"])) for row in rows]
        given = cast("dict[str, str] | None", parameters.get("credentials"))
        credentials = None if given is None else Credentials(**given)
        return asdict(self._identities.register(str(parameters["arn"]), permissions, credentials).credentials)

    async def _identity(self, parameters: Json) -> Json:
        """Return the credentials of a principal, `None` if it is not registered."""
        known = (each for each in self._identities.all() if each.arn == parameters["arn"])
        return {"credentials": next((asdict(each.credentials) for each in known), None)}

    async def _reset(self, _: Json) -> Json:
        await self._endpoints.reset()
        return {}

    async def _save_snapshot(self, parameters: Json) -> Json:
        await self._endpoints.save_snapshot(str(parameters["name"]))
        return {}

    async def _restore_snapshot(self, parameters: Json) -> Json:
        return {"restored": await self._endpoints.restore_snapshot(str(parameters["name"]))}

    async def _stop_region(self, parameters: Json) -> Json:
        await self._endpoints.stop_region(str(parameters["region"]))
        self._keep_options()
        return {}

    async def _start_region(self, parameters: Json) -> Json:
        await self._endpoints.start_region(str(parameters["region"]))
        self._keep_options()
        return {}

    async def _set_available(self, parameters: Json) -> Json:
        await self._endpoints.set_available(
            str(parameters["region"]), available=bool(parameters["available"])
        )
        self._keep_options()
        return {}

    async def _delay_jobs(self, parameters: Json) -> Json:
        self._endpoints.delay_jobs(float(str(parameters["seconds"])))
        self._keep_options()
        return {}

    async def _pin_server(self, _: Json) -> Json:
        """Hold the users lock in the server itself, so that it runs until a stop request."""
        self._pin.lock_shared(0.0)
        return {}

    async def _leave(self, _: Json) -> Json:
        """Answer a user that has released the lock whether it was the last one."""
        return {"stopping": self._is_unused()}

    async def _stop_server(self, _: Json) -> Json:
        self._stop.set()
        return {}
