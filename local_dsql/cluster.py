"""The local cluster as Python sees it: found or started on entering, left on closing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from blocks_runtime import signing
from blocks_runtime.contract import ADMIN_ROLE, DATABASE, Variables
from local_dsql.access import ClusterName, Credentials, credential_variables
from local_dsql.access.cluster_name import check_region
from local_dsql.access.token import MAX_LIFETIME
from local_dsql.client.launch import stopped_error, wait_for_end
from local_dsql.client.server_handle import RequestedOptions, ServerHandle
from local_dsql.control.codec import decode_conflict, decode_injection, encode_injection, fault_named
from local_dsql.control.predicate_client import PredicateClient, predicate_name
from local_dsql.faults.injection import Fault, Injection
from local_dsql.faults.keys import row_text
from local_dsql.storage.folder import DEFAULT_FOLDER, Folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from local_dsql.access import Permission
    from local_dsql.control.predicate_client import Predicate
    from local_dsql.control.protocol import Json
    from local_dsql.control.status import ClusterStatus
    from local_dsql.faults.keys import Key
    from local_dsql.occ.journal import Conflict


class LocalCluster:
    """A local Aurora DSQL cluster, kept in a folder and served by one process for all who use it.

    Use it as a context manager, or call `start` and `close`. Several processes may use one folder at the same
    time; the server ends, PostgreSQL with it, when the last has closed or died.
    """

    def __init__(
        self,
        path: Path | str = DEFAULT_FOLDER,
        *,
        regions: Sequence[str] | None = None,
        dialect: str | None = None,
        commit_latency: float | None = None,
    ) -> None:
        """Describe the cluster; nothing is started yet.

        Args:
            path: folder of the cluster, created where it is missing.
            regions: Regions to have an endpoint each, the first being the default one; by default those being
                served already, else `us-east-1`.
            dialect: profile of `dsql_dialect`; by default the one being served already, else `portable`.
            commit_latency: seconds that a COMMIT takes longer, as between Regions; by default what is being
                served already, else 0.

        Raises:
            ValueError: a name in `regions` is not that of a Region, or there is no such dialect.
        """
        if dialect is not None:
            from dsql_dialect import profile

            profile(dialect)
        self.folder = Folder.at(path)
        self._regions = tuple(dict.fromkeys(check_region(region) for region in regions or ()))
        self._server = ServerHandle(self.folder, RequestedOptions(self._regions, dialect, commit_latency))
        self._predicate_client = PredicateClient()

    def start(self) -> LocalCluster:
        """Find the server of the folder or start one; return the cluster itself once it accepts connections.

        Calling it again does no harm, and brings back a server that has been stopped or killed meanwhile.

        Raises:
            ServerMismatchError: it is being served in another dialect, or with another commit latency.
            LocalDatabaseError: it cannot be started; the error says why and what to do.
        """
        self._server.start()
        return self

    def close(self) -> None:
        """Leave the cluster, with its predicates; returns after the end of the server if this was its last user."""
        self._predicate_client.close()
        self._server.leave()

    @property
    def status(self) -> ClusterStatus:
        """How the cluster was being served when this user came.

        Raises:
            ServerError: the cluster was not started.
        """
        return self._server.status

    @property
    def identifier(self) -> str:
        """Identifier of the cluster, 26 characters, the same for the life of the folder."""
        return self.status.identifier

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions of this cluster, the default one first."""
        return self._regions or tuple(self.status.ports)

    @property
    def ca_file(self) -> Path:
        """PEM file of the authority that clients verify the server with."""
        return self.folder.authority_file

    @property
    def admin_credentials(self) -> Credentials:
        """Keys of the IAM user who may log in as `admin`."""
        return self.status.admin

    def endpoint(self, region: str | None = None) -> str:
        """Return `localhost:<port>` of a Region, by default of the first."""
        return f"localhost:{self._port(region)}"

    def arn(self, region: str | None = None) -> str:
        """Return the cluster's ARN in a Region, by default in the first."""
        return ClusterName(self.identifier).arn(region or self.regions[0])

    def dsn(self, region: str | None = None) -> str:
        """Return a connection string that logs in as `admin` for the next week, for psql and any driver."""
        password = quote(self._admin_token(region), safe="")
        authority = quote(str(self.ca_file), safe="/")
        return (
            f"postgresql://{ADMIN_ROLE}:{password}@{self.endpoint(region)}/{DATABASE}"
            f"?sslmode=verify-full&sslrootcert={authority}"
        )

    def libpq_environment(self, region: str | None = None) -> dict[str, str]:
        """Return the same as `dsn` in libpq's variables, for programs whose arguments others can see."""
        host, _, port = self.endpoint(region).partition(":")
        return {
            "PGHOST": host,
            "PGPORT": port,
            "PGUSER": ADMIN_ROLE,
            "PGDATABASE": DATABASE,
            "PGPASSWORD": self._admin_token(region),
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(self.ca_file),
        }

    def environment(self, name: str = "main", region: str | None = None) -> dict[str, str]:
        """Return the variables with which `DistributedDatabase(name)` finds this cluster, and logs in as `admin`.

        For tests: a function that is deployed has the same variables, with a role and keys of its own.
        """
        where = Variables(self.endpoint(region), region or self.regions[0], ADMIN_ROLE, str(self.ca_file))
        return where.environment(name) | credential_variables(self.admin_credentials)

    def _admin_token(self, region: str | None) -> str:
        host, _, _ = self.endpoint(region).partition(":")
        return signing.token(
            host, region or self.regions[0], ADMIN_ROLE, self.admin_credentials, lifetime=MAX_LIFETIME
        )

    def identity(self, arn: str, permissions: Sequence[Permission]) -> Credentials:
        """Make an IAM role or user known to the cluster, or replace its permissions, and return its keys.

        Args:
            arn: ARN of the role or user.
            permissions: all that it may do, such as `Permission("dsql:DbConnect", cluster.arn())`.

        Raises:
            ValueError: `arn` names neither.
        """
        rows = [asdict(permission) | {"effect": permission.effect.value} for permission in permissions]
        answer = self._server.call("register", {"arn": arn, "permissions": rows})
        return Credentials(**cast("dict[str, str]", answer))

    def reset(self) -> None:
        """Empty the database: tables, roles, IAM mappings and sessions go, endpoints and keys stay."""
        self._server.call("reset", {})

    def stop_region(self, region: str) -> None:
        """Cut all connections to the endpoint of a Region and refuse new ones, as if the Region were down."""
        self._server.call("stop_region", {"region": region})

    def start_region(self, region: str) -> None:
        """Let the endpoint of a Region accept connections again."""
        self._server.call("start_region", {"region": region})

    def inject(
        self,
        fault: Fault | str = Fault.OC000,
        *,
        times: int | None = 1,
        every: int = 1,
        table: str | None = None,
        key: Key | None = None,
        role: str | None = None,
        region: str | None = None,
        predicate: Predicate | None = None,
        timeout: float = 10.0,
    ) -> int:
        """Let COMMITs fail, by default the next one that changes something, of any client.

        Only COMMITs that change something count. Injections hold until they are used up, removed, or the database
        is reset, those with a predicate no longer than this object is open; where several match, the first strikes.

        The predicate is called in this process, in a thread of its own, for one COMMIT at a time: for each that
        table, key, role and Region let through, before the cluster looks for conflicts of its own. Only that COMMIT
        waits for it. If it raises an exception or takes too long, the COMMIT fails with SQLSTATE 38000, nothing is
        committed, and the injection holds. It may query the cluster, through a connection of its own.

        Args:
            fault: what happens: `OC000` or `OC001` (SQLSTATE 40001), `connection-lost` (nothing is committed),
                `outcome-unknown` (committed, but the connection breaks before the answer).
            times: how many COMMITs it happens to; None: all that match.
            every: it happens to every so many-th that matches.
            table: only COMMITs that change this table match, with or without its schema; None: all.
            key: only COMMITs that change the row of `table` with this primary key match, a tuple where it has several
                columns; None: all.
            role: only COMMITs of this database role match; None: of all.
            region: only COMMITs through this Region's endpoint match; None: through all.
            predicate: only COMMITs for which it returns true match; None: all.
            timeout: seconds that a COMMIT waits for the predicate, those included in which it is asked about others.

        Returns:
            The injection's number, for `clear_injections`.

        Raises:
            ValueError: there is no such fault or Region, a number is not positive, or `key` is without `table`.
            TypeError: `predicate` is not a plain function.
        """
        if timeout <= 0:
            raise ValueError(f"the predicate cannot answer within {timeout} seconds; give more than 0")
        where = {
            "table": table,
            "key": None if key is None else row_text(key),
            "role": role,
            "region": region,
        }
        name = None if predicate is None else predicate_name(predicate)
        given = encode_injection(
            Injection(fault=fault_named(fault), times=times, every=every, predicate=name, **where)
        )
        if predicate is None:
            return cast("int", self._server.call("inject", given)["number"])
        try:
            return self._predicate_client.arm(self._server.connect(), predicate, given | {"timeout": timeout})
        except OSError:
            raise stopped_error(self.folder, "the local database stopped during inject") from None

    def injections(self) -> dict[int, Injection]:
        """Return the injections that are not used up, by number."""
        armed = cast("dict[str, Json]", self._server.call("injections", {}))
        return {int(number): decode_injection(given) for number, given in armed.items()}

    def clear_injections(self, number: int | None = None) -> None:
        """Disarm one injection, by default all; one that is used up is no error."""
        self._server.call("clear_injections", {"number": number})

    def conflicts(self) -> tuple[Conflict, ...]:
        """Return the conflicts since the last start or reset, oldest first, at most a thousand."""
        found = cast("list[Json]", self._server.call("conflicts", {})["conflicts"])
        return tuple(decode_conflict(each) for each in found)

    def delay_jobs(self, seconds: float) -> None:
        """Let each index build and validation begin so many seconds late, until the database is reset.

        On DSQL they take from seconds to hours; this shows what an application or a deploy does meanwhile.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"jobs cannot be delayed by {seconds} seconds; give 0 or more")
        self._server.call("delay_jobs", {"seconds": seconds})

    def pin(self) -> None:
        """Let the server run on after its last user, until `stop_server`."""
        self._server.call("pin", {})

    def _port(self, region: str | None) -> int:
        region = region or self.regions[0]
        if region not in self.status.ports:
            raise ValueError(
                f"{region} is not a Region of this cluster; it has {', '.join(self.status.ports)}"
            )
        return self.status.ports[region]

    def __enter__(self) -> LocalCluster:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def stop_server(path: Path | str) -> bool:
    """Stop the server of the folder, whoever uses it, and return whether there was one."""
    folder = Folder.at(path)
    return wait_for_end(folder, "stop")
