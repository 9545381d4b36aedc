"""The endpoints of the cluster: one a Region, each on a port of its own, all over one database."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from dsql_dialect import profile
from local_dsql.access import TokenAuthenticator
from local_dsql.access.cluster_name import LOOPBACK_HOSTS, check_region
from local_dsql.errors import ServerError
from local_dsql.postgres import PORT
from local_dsql.postgres.diagnosis import refused
from local_dsql.proxy import Proxy
from local_dsql.tls import CertificateStore
from local_dsql.wire.response import BackendError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_dsql.access import ClusterName, IdentityStore
    from local_dsql.client.launch import ServerOptions
    from local_dsql.server.instance import Instance
    from local_dsql.storage.folder import ClusterRecord

_CLOSE_PATIENCE = 5.0
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
        self._certificates = CertificateStore(
            self._folder.certificates, self._folder.authority_file, name.identifier
        )
        self._ensure_certificate(options.regions)
        self._tls = self._certificates.context()
        self._changing = asyncio.Lock()
        self._proxy: Proxy | None = None
        self.ports: dict[str, int] = {}
        self.stopped: set[str] = set()

    async def open(self, regions: Sequence[str]) -> None:
        """Start the proxy and listen for each Region; PostgreSQL must be ready."""
        async with self._changing:
            self._proxy = await self._start_proxy()
            await self._listen(regions)

    async def add(self, regions: Sequence[str]) -> None:
        """Listen for Regions that have no endpoint yet; the certificate learns their host names."""
        async with self._changing:
            if missing := [region for region in regions if region not in self.ports]:
                self._ensure_certificate(missing)
                self._certificates.load_into(self._tls)
                await self._listen(missing)

    async def reset(self) -> None:
        """Replace the database by a new one; every session ends, every endpoint keeps its port."""
        async with self._changing:
            await self.close()
            await self._instance.reset()
            self._proxy = await self._start_proxy()
            for region, port in self.ports.items():
                await self._proxy.listen(region, port, self._latency)
            for region in self.stopped:
                await self._proxy.stop_region(region)

    async def stop_region(self, region: str) -> None:
        """Cut the Region's connections and refuse new ones; nothing happens where it is stopped."""
        async with self._changing:
            await self.proxy_of(region).stop_region(region)
            self.stopped.add(region)

    async def start_region(self, region: str) -> None:
        """Accept the Region's connections again, on the same port; nothing happens where it is not stopped."""
        async with self._changing:
            proxy = self.proxy_of(region)
            if region not in self.stopped:
                return
            try:
                await proxy.start_region(region)
            except OSError as error:
                raise _no_endpoint(f"{region}, port {self.ports[region]}", error) from None
            self.stopped.discard(region)

    async def close(self) -> None:
        """End every session and stop listening."""
        proxy, self._proxy = self._proxy, None
        if proxy is None:
            return
        try:
            await asyncio.wait_for(proxy.close(), _CLOSE_PATIENCE)
        except TimeoutError:
            log.warning("sessions did not end within %g s; they are cut off", _CLOSE_PATIENCE)

    async def _start_proxy(self) -> Proxy:
        proxy = Proxy(
            socket_directory=self._instance.sockets,
            port=PORT,
            profile=self._profile,
            authenticator=self._authenticator,
            tls=self._tls,
        )
        try:
            await proxy.start()
        except BackendError as error:
            raise refused(
                f"the database in {self._folder.path} cannot be opened for clients",
                str(error),
                "reset it; if that fails too, remove the folder and start with an empty database",
            ) from None
        return proxy

    async def _listen(self, regions: Sequence[str]) -> None:
        """Give each Region the port it had before, or any other where that is taken."""
        assert self._proxy is not None
        for region in regions:
            usual = self._record.ports.get(region, 0)
            try:
                port = await self._proxy.listen(region, usual, self._latency)
            except OSError as error:
                if not usual:
                    raise _no_endpoint(region, error) from None
                log.warning("port %d is taken, so the endpoint of %s moves to another", usual, region)
                port = await self._proxy.listen(region, 0, self._latency)
            self.ports[region] = self._record.ports[region] = port
        self._record.save(self._folder)

    def _ensure_certificate(self, regions: Sequence[str]) -> None:
        self._certificates.ensure((*LOOPBACK_HOSTS, *(self._name.host(check_region(r)) for r in regions)))

    @property
    def proxy(self) -> Proxy:
        """The proxy that serves now.

        Raises:
            ServerError: there is none, since the database is being replaced or the server ends.
        """
        if self._proxy is None:
            raise ServerError(
                f"{self._folder.path} has no database at this moment",
                "it is being reset, or its server ends",
                "try again in a moment",
            )
        return self._proxy

    def proxy_of(self, region: str) -> Proxy:
        """Return the proxy that serves a Region.

        Raises:
            ValueError: it is none of this cluster's.
        """
        if region not in self.ports:
            raise ValueError(f"{region} is not a Region of this cluster; it has {', '.join(self.ports)}")
        return self.proxy


def _no_endpoint(place: str, error: OSError) -> ServerError:
    return ServerError(
        f"cannot listen on the loopback address for {place}",
        error.strerror or str(error),
        "see what keeps this user from opening the port (another program, a sandbox, the limit on open files)",
    )
