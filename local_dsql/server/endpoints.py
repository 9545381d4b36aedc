"""The endpoints of the cluster: one per Region, each on its own port, all for one database."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

from dsql_dialect import profile
from local_dsql.access import TokenAuthenticator
from local_dsql.access.cluster_name import LOOPBACK_HOSTS, check_region
from local_dsql.errors import ServerError
from local_dsql.postgres import PORT
from local_dsql.postgres.errors import refusal_error
from local_dsql.proxy import Proxy
from local_dsql.tls import CertificateStore
from local_dsql.wire.response import BackendError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeVar

    from local_dsql.access import ClusterName, IdentityStore
    from local_dsql.client.launch import ServerOptions
    from local_dsql.server.cluster_record import ClusterRecord
    from local_dsql.server.instance import Instance

    T = TypeVar("T")

_CLOSE_TIMEOUT = 5.0
"""Seconds that the proxy gets to end its sessions; PostgreSQL ends them anyway when it stops."""

log = logging.getLogger(__name__)


class Endpoints:
    """The proxy and its listening ports.

    Attributes:
        ports: port of each Region, on the loopback addresses.
        stopped: Regions that refuse connections until they are started again.
    """

    def __init__(
        self,
        options: ServerOptions,
        instance: Instance,
        record: ClusterRecord,
        name: ClusterName,
        identities: IdentityStore,
    ) -> None:
        self._folder = options.folder
        self._instance = instance
        self._record = record
        self._name = name
        self._authenticator = TokenAuthenticator(name, identities)
        self._profile = profile(options.dialect)
        self._latency = options.commit_latency
        self._suspend_always = options.suspend_always
        self._certificates = CertificateStore(
            self._folder.certificates, self._folder.authority_file, name.identifier
        )
        self._ensure_certificate(options.regions)
        self._tls = self._certificates.context()
        self._changing = asyncio.Lock()
        self._proxy: Proxy | None = None
        self._job_delay = 0.0
        self.ports: dict[str, int] = {}
        self.stopped: set[str] = set()

    async def open(self, regions: Sequence[str]) -> None:
        """Start the proxy and listen for each Region; PostgreSQL must be ready."""
        async with self._changing:
            self._proxy = await self._start_proxy()
            await self._listen(regions)

    async def add(self, regions: Sequence[str]) -> None:
        """Listen for Regions without an endpoint; their host names are added to the certificate."""
        async with self._changing:
            if missing := [region for region in regions if region not in self.ports]:
                self._ensure_certificate(missing)
                self._certificates.load_into(self._tls)
                await self._listen(missing)

    async def reset(self) -> None:
        """Replace the database by an empty one."""
        await self._replace(self._instance.reset)

    async def save_snapshot(self, name: str) -> None:
        """Keep the database as a snapshot, and continue with a copy of it."""
        await self._replace(lambda: self._instance.save_snapshot(name))

    async def restore_snapshot(self, name: str) -> bool:
        """Give the database the content of a snapshot, and return whether there is one with this name.

        The database is copied only if a definition has changed. Else the changes of rows are undone.
        """
        if self._instance.counts_changes(name) and await self._undo_changes(name):
            return True
        return await self._replace(lambda: self._instance.restore_snapshot(name))

    async def _undo_changes(self, name: str) -> bool:
        async with self._changing:
            proxy = self.proxy
            await proxy.pause()
            try:
                return await self._instance.undo_changes(name)
            finally:
                await proxy.resume()

    async def _replace(self, replacement: Callable[[], Awaitable[T]]) -> T:
        """Run a replacement of the database while no session is open.

        All endpoints keep their ports: clients that connect meanwhile wait.
        """
        async with self._changing:
            sockets = self._proxy.detach() if self._proxy is not None else {}
            try:
                await self.close()
                result = await replacement()
                self._proxy = await self._start_proxy()
                for region, port in self.ports.items():
                    if region in self.stopped:
                        self._proxy.register(region, port, self._latency)
                    else:
                        await self._proxy.listen(region, port, self._latency, sockets.pop(region, ()))
            finally:
                for each in itertools.chain(*sockets.values()):
                    each.close()
            return result

    async def stop_region(self, region: str) -> None:
        """Close the connections of a Region and refuse new ones; no effect if it is stopped."""
        async with self._changing:
            await self.proxy_for(region).stop_region(region)
            self.stopped.add(region)

    async def start_region(self, region: str) -> None:
        """Accept connections of a Region again, on the same port; no effect if it is not stopped."""
        async with self._changing:
            proxy = self.proxy_for(region)
            if region not in self.stopped:
                return
            try:
                await proxy.start_region(region)
            except OSError as error:
                raise _no_endpoint(f"{region}, port {self.ports[region]}", error) from None
            self.stopped.discard(region)

    def delay_jobs(self, seconds: float) -> None:
        """Delay the start of each job, also after a reset."""
        self.proxy.jobs.delay = self._job_delay = seconds

    async def close(self) -> None:
        """End all sessions and stop listening."""
        proxy, self._proxy = self._proxy, None
        if proxy is None:
            return
        try:
            await asyncio.wait_for(proxy.close(), _CLOSE_TIMEOUT)
        except TimeoutError:
            log.warning("sessions did not end within %g s; they are terminated", _CLOSE_TIMEOUT)

    async def _start_proxy(self) -> Proxy:
        proxy = Proxy(
            socket_directory=self._instance.sockets,
            port=PORT,
            data_directory=self._instance.data_directory,
            profile=self._profile,
            authenticator=self._authenticator,
            tls=self._tls,
            suspend_always=self._suspend_always,
        )
        proxy.jobs.delay = self._job_delay
        try:
            await proxy.start()
        except BackendError as error:
            raise refusal_error(
                f"the database in {self._folder.path} cannot be opened for clients",
                str(error),
                "reset it; if that fails too, remove the folder and start with an empty database",
            ) from None
        return proxy

    async def _listen(self, regions: Sequence[str]) -> None:
        """Listen for each Region on its previous port, or on another one if that is taken."""
        assert self._proxy is not None
        for region in regions:
            usual = self._record.ports.get(region, 0)
            try:
                port = await self._proxy.listen(region, usual, self._latency)
            except OSError as error:
                if not usual:
                    raise _no_endpoint(region, error) from None
                log.warning("port %d is in use; the endpoint of %s gets another port", usual, region)
                port = await self._proxy.listen(region, 0, self._latency)
            self.ports[region] = self._record.ports[region] = port
        self._record.save(self._folder)

    def _ensure_certificate(self, regions: Sequence[str]) -> None:
        self._certificates.ensure((*LOOPBACK_HOSTS, *(self._name.host(check_region(r)) for r in regions)))

    @property
    def proxy(self) -> Proxy:
        """The current proxy.

        Raises:
            ServerError: there is none, because the database is being replaced or the server is shutting down.
        """
        if self._proxy is None:
            raise ServerError(
                f"the database in {self._folder.path} is not available",
                "it is being reset, or its server is shutting down",
                "try again",
            )
        return self._proxy

    def proxy_for(self, region: str) -> Proxy:
        """Return the proxy for a Region.

        Raises:
            ValueError: the cluster has no such Region.
        """
        if region not in self.ports:
            raise ValueError(f"{region} is not a Region of this cluster; it has {', '.join(self.ports)}")
        return self.proxy


def _no_endpoint(place: str, error: OSError) -> ServerError:
    return ServerError(
        f"cannot listen on the loopback address for {place}",
        error.strerror or str(error),
        "free the port or lift the restriction: another program, a sandbox, or the limit on open files",
    )
