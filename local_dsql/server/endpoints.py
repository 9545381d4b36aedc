"""The endpoints of the cluster: one per Region, each on its own port, all for one database."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from blocks_settings.regions import check_region
from dsql_dialect import profile
from local_dsql.access import TokenAuthenticator
from local_dsql.access.cluster_name import LOOPBACK_HOSTS
from local_dsql.errors import ServerError
from local_dsql.postgres import PORT
from local_dsql.postgres.errors import refusal_error
from local_dsql.proxy import Proxy
from local_dsql.proxy.ports import ReservedPort
from local_dsql.tls import CertificateStore
from local_dsql.wire.response import BackendError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from typing import TypeVar

    from local_dsql.access import ClusterName, IdentityStore
    from local_dsql.client.launch import ServerOptions
    from local_dsql.server.cluster_record import ClusterRecord
    from local_dsql.server.instance import Instance
    from local_dsql.storage.folder import Folder

    T = TypeVar("T")

_CLOSE_TIMEOUT = 5.0
"""Seconds that the proxy gets to end its sessions; PostgreSQL ends them anyway when it stops."""

log = logging.getLogger(__name__)


class Endpoints:
    """The proxy and its listening ports.

    Attributes:
        ports: port of each Region, on the loopback addresses; reserved until `close`.
        stopped: Regions that users have stopped; they refuse connections until they are started again.
        unavailable: Regions whose cluster is not usable in the control plane; they refuse connections, too.
        job_delay: seconds before the start of each job.
        moved: usual ports of Regions, which another program has; the next start tries them again.
    """

    def __init__(
        self,
        folder: Folder,
        options: ServerOptions,
        instance: Instance,
        record: ClusterRecord,
        name: ClusterName,
        identities: IdentityStore,
    ) -> None:
        self._folder = folder
        self._instance = instance
        self._record = record
        self._name = name
        self._authenticator = TokenAuthenticator(name, identities)
        self._profile = profile(options.dialect)
        self._latency = options.commit_latency
        self._first_port = options.port
        self._suspend_always = options.suspend_always
        self._certificates = CertificateStore(
            self._folder.certificates, self._folder.authority_file, name.identifier
        )
        self._ensure_certificate(options.regions)
        self._tls = self._certificates.context()
        self._changing = asyncio.Lock()
        self._proxy: Proxy | None = None
        self.job_delay = options.job_delay
        self.ports: dict[str, ReservedPort] = {}
        self.stopped = {*options.stopped_regions}
        self.unavailable = {*options.unavailable_regions}
        self.moved: dict[str, int] = {}

    async def open(self, regions: Sequence[str]) -> None:
        """Start the proxy and listen for each Region; PostgreSQL must be ready."""
        async with self._changing:
            self._proxy = await self._start_proxy()
            await self._listen(regions)

    async def add(self, regions: Sequence[str]) -> None:
        """Listen for Regions without an endpoint; their host names are added to the certificate."""
        async with self._changing:
            missing = [region for region in regions if region not in self.ports]
            if self._ensure_certificate((*self.ports, *missing)):
                self._certificates.load_into(self._tls)
            if missing:
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
        if self._instance.counts_changes(name) and await self._undo_changes():
            return True
        return await self._replace(lambda: self._instance.restore_snapshot(name))

    async def _undo_changes(self) -> bool:
        async with self._changing:
            proxy = self.proxy
            await proxy.pause()
            try:
                return await self._instance.undo_changes()
            finally:
                await proxy.resume()

    async def _replace(self, replacement: Callable[[], Awaitable[T]]) -> T:
        """Run a replacement of the database while no session is open.

        All endpoints keep their ports: clients that connect meanwhile wait.
        """
        async with self._changing:
            await self._close_proxy()
            result = await replacement()
            self._proxy = await self._start_proxy()
            await self._accept(self.ports)
            return result

    def is_closed(self, region: str) -> bool:
        """Return whether a Region refuses connections."""
        return region in self.stopped or region in self.unavailable

    async def stop_region(self, region: str) -> None:
        """Close the connections of a Region and refuse new ones; no effect if it is stopped."""
        await self._set_closed(region, self.stopped, closed=True)

    async def start_region(self, region: str) -> None:
        """Accept connections of a Region again, on the same port; no effect if it is not stopped."""
        await self._set_closed(region, self.stopped, closed=False)

    async def set_available(self, region: str, *, available: bool) -> None:
        """Accept connections of a Region, unless it is stopped, or refuse them, as its cluster's state requires."""
        await self._set_closed(region, self.unavailable, closed=not available)

    async def _set_closed(self, region: str, reason: set[str], *, closed: bool) -> None:
        """Close a Region for a reason, or end the reason and open the Region if it has no other."""
        async with self._changing:
            proxy, before = self.proxy_for(region), self.is_closed(region)
            (reason.add if closed else reason.discard)(region)
            if self.is_closed(region):
                await proxy.stop_region(region)
            elif before:
                try:
                    await self._accept([region])
                except OSError as error:
                    reason.add(region)
                    raise _no_endpoint(f"{region}, port {self.ports[region].number}", error) from None

    async def _accept(self, regions: Iterable[str]) -> None:
        """Accept connections of Regions; refuse those of closed ones, whose clients would wait otherwise."""
        for region in regions:
            if self.is_closed(region):
                self.ports[region].refuse()
            else:
                await self.proxy.listen(region, self.ports[region], self._latency)

    def delay_jobs(self, seconds: float) -> None:
        """Delay the start of each job, also after a reset."""
        self.proxy.jobs.delay = self.job_delay = seconds

    async def close(self) -> None:
        """End all sessions and give the ports up."""
        await self._close_proxy()
        for port in self.ports.values():
            port.close()

    async def _close_proxy(self) -> None:
        """End all sessions; clients that connect wait."""
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
        proxy.jobs.delay = self.job_delay
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
        for region in regions:
            self.ports[region] = port = self._reserve(region)
            await self._accept([region])
            if region not in self.moved:
                self._record.ports[region] = port.number
        self._record.save(self._folder)

    def _reserve(self, region: str) -> ReservedPort:
        fixed = None if self._first_port is None else self._first_port + len(self.ports)
        usual = fixed or self._record.ports.get(region, 0)
        try:
            return ReservedPort(usual)
        except OverflowError as error:  # beyond the last port
            raise _taken(region, usual, str(error)) from None
        except OSError as error:
            if fixed:
                raise _taken(region, fixed, error.strerror or str(error)) from None
            if not usual:
                raise _no_endpoint(region, error) from None
        log.warning("port %d is in use; the endpoint of %s gets another port", usual, region)
        self.moved[region] = usual
        return ReservedPort()

    def _ensure_certificate(self, regions: Sequence[str]) -> bool:
        """Renew certificates that are damaged, expire or lack a host name; return whether that was necessary."""
        return self._certificates.ensure(
            (*LOOPBACK_HOSTS, *(self._name.host(check_region(r)) for r in regions))
        )

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


def _taken(region: str, port: int, words: str) -> ServerError:
    return ServerError(
        f"port {port} is not free for the endpoint of {region}",
        words,
        "end the program that listens on the port (`ss -ltnp` lists it), or choose another port",
    )


def _no_endpoint(place: str, error: OSError) -> ServerError:
    return ServerError(
        f"cannot listen on the loopback address for {place}",
        error.strerror or str(error),
        "free the port or lift the restriction: another program, a sandbox, or the limit on open files",
    )
