"""The Python API of a local cluster.

What only some methods use is imported by them: `blocks status` attaches, asks two questions and ends.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from blocks_runtime import signing
from blocks_runtime.contract import ADMIN_ROLE, DATABASE, Variables
from blocks_runtime.signing import Credentials
from blocks_settings.regions import check_region
from local_dsql.client.launch import ServerOptions, stopped_error, wait_for_end
from local_dsql.client.project_options import cluster_options
from local_dsql.client.server_handle import RequestedOptions, ServerHandle
from local_dsql.storage.folder import DEFAULT_FOLDER, Folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Any

    from local_dsql.access import Permission
    from local_dsql.control.predicate_client import Predicate, PredicateClient
    from local_dsql.control.protocol import Json
    from local_dsql.control.status import ClusterStatus
    from local_dsql.cost.result import Cost
    from local_dsql.engine.conflict_log import Conflict
    from local_dsql.faults.injection import Fault, Injection
    from local_dsql.faults.keys import Key


class LocalCluster:
    """A local Aurora DSQL cluster, stored in a folder and served by one process for all its users.

    Use it as a context manager, or call `start` and `close`. Several processes may use one folder at the same time; the
    server and its PostgreSQL end when the last user has closed it or died.
    """

    def __init__(
        self,
        path: Path | str = DEFAULT_FOLDER,
        *,
        regions: Sequence[str] | None = None,
        dialect: str | None = None,
        commit_latency: float | None = None,
        port: int | None = None,
        suspend_always: bool = False,
    ) -> None:
        """Configure the cluster; nothing is started yet.

        Args:
            path: folder of the cluster, created if it is missing.
            regions: Regions with an endpoint each, the default one first; by default those of the project's settings,
                of the running server, else `us-east-1`.
            dialect: profile of `dsql_dialect`; by default that of the project's settings, of the running server, else
                the default one.
            commit_latency: seconds added to each COMMIT, as between Regions; by default that of the running server,
                else 0.
            port: port of the first Region; further Regions have the next ones. By default that of the project's
                settings, else a free one, which the cluster keeps.
            suspend_always: for tests of the engine: suspend every open transaction after each of its statements. This
                shows nowhere but in the time that statements take. The variable `BLOCKS_SUSPEND_ALWAYS=1` sets it for
                every cluster.

        Raises:
            ValueError: a name in `regions` is not a Region name, or the dialect is unknown.
            SettingsError: the settings of the project are invalid.
        """
        if dialect is not None:
            from dsql_dialect import profile

            profile(dialect)
        self.folder = Folder.at(path)
        options = cluster_options(
            self.folder.path, dialect, [check_region(region) for region in regions or ()], port
        )
        self._regions = options.regions
        requested = RequestedOptions(
            self._regions, options.dialect, commit_latency, suspend_always or None, options.port
        )
        self._server = ServerHandle(self.folder, requested)
        self._predicate_client: PredicateClient | None = None

    def start(self) -> LocalCluster:
        """Attach to the server of the folder, or start one; return the cluster itself once it accepts connections.

        May be called again; that restarts a server that was stopped or killed meanwhile, with the same options, stopped
        Regions and delay of jobs.

        Raises:
            ServerMismatchError: the server runs with another dialect or commit latency.
            LocalDatabaseError: no server can be started; the error says why and what to do.
        """
        self._server.start()
        return self

    def close(self) -> None:
        """Detach from the server and disarm own predicates; the last user waits for the end of the server."""
        if self._predicate_client is not None:
            self._predicate_client.close()
        self._server.leave()

    @property
    def status(self) -> ClusterStatus:
        """Status of the server at the time of the start.

        Raises:
            ServerError: the cluster was not started.
        """
        return self._server.status

    @property
    def identifier(self) -> str:
        """Identifier of the cluster: 26 characters, fixed for the folder."""
        return self.status.identifier

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions of the cluster, the default one first."""
        return self._regions or tuple(self.status.ports)

    @property
    def ca_file(self) -> Path:
        """PEM file of the certificate authority that clients verify the server with."""
        return self.folder.authority_file

    @property
    def admin_credentials(self) -> Credentials:
        """Credentials of the IAM user that may log in as `admin`."""
        return self.status.admin

    def endpoint(self, region: str | None = None) -> str:
        """Return `localhost:<port>` of a Region, by default of the first."""
        return f"localhost:{self._port(region)}"

    def arn(self, region: str | None = None) -> str:
        """Return the cluster's ARN in a Region, by default in the first."""
        from local_dsql.access import ClusterName

        return ClusterName(self.identifier).arn(region or self.regions[0])

    def dsn(self, region: str | None = None) -> str:
        """Return a connection string for `admin`, valid for a week, for psql and any driver."""
        password = quote(self._admin_token(region), safe="")
        authority = quote(str(self.ca_file), safe="/")
        return (
            f"postgresql://{ADMIN_ROLE}:{password}@{self.endpoint(region)}/{DATABASE}"
            f"?sslmode=verify-full&sslrootcert={authority}"
        )

    def libpq_environment(self, region: str | None = None) -> dict[str, str]:
        """Return `dsn` as environment variables of libpq; unlike arguments, they are not visible to other users."""
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
        """Return the environment variables that connect `DistributedDatabase(name)` to this cluster as `admin`.

        For tests: a deployed function has the same variables, with a role and credentials of its own.
        """
        from local_dsql.access import credential_variables

        where = Variables(self.endpoint(region), region or self.regions[0], ADMIN_ROLE, str(self.ca_file))
        return where.environment(name) | credential_variables(self.admin_credentials)

    def _admin_token(self, region: str | None) -> str:
        from local_dsql.access import MAX_LIFETIME

        host, _, _ = self.endpoint(region).partition(":")
        return signing.token(
            host, region or self.regions[0], ADMIN_ROLE, self.admin_credentials, lifetime=MAX_LIFETIME
        )

    def identity(
        self, arn: str, permissions: Sequence[Permission], credentials: Credentials | None = None
    ) -> Credentials:
        """Register an IAM role or user, or replace its permissions, and return its credentials.

        Args:
            arn: ARN of the role or user.
            permissions: all its permissions, such as `Permission("dsql:DbConnect", cluster.arn())`.
            credentials: credentials of the role in another cluster, so that one process can log in to both.
                Default: its own, or random ones.

        Raises:
            ValueError: `arn` is not the ARN of a role or user.
        """
        rows = [asdict(permission) | {"effect": permission.effect.value} for permission in permissions]
        given = None if credentials is None else asdict(credentials)
        answer = self._server.call("register", {"arn": arn, "permissions": rows, "credentials": given})
        return Credentials(**cast("dict[str, str]", answer))

    def credentials_of(self, arn: str) -> Credentials | None:
        """Return the credentials of a registered IAM role or user, None if it is not registered."""
        known = cast("dict[str, str] | None", self._server.call("identity", {"arn": arn})["credentials"])
        return None if known is None else Credentials(**known)

    def reset(self) -> None:
        """Empty the database: drop tables, roles, IAM mappings, sessions, snapshots; keep endpoints and credentials."""
        self._server.call("reset", {})

    def save_snapshot(self, name: str) -> None:
        """Keep tables, rows, roles and IAM mappings as they are now, for `restore_snapshot`; all sessions end.

        A cluster has one snapshot: it replaces an older one, outlives the server, and is dropped by `reset`.
        """
        self._server.call("save_snapshot", {"name": name})

    def restore_snapshot(self, name: str) -> bool:
        """Replace the database by a copy of a snapshot, as fast as `reset`, and return True; all sessions end.

        Return False if there is no such snapshot, or if a role that it needs was changed since: roles belong to the
        cluster, and are not copied. The database is undefined then; `reset` it.
        """
        return bool(self._server.call("restore_snapshot", {"name": name})["restored"])

    def stop_region(self, region: str) -> None:
        """Close all connections to the endpoint of a Region and refuse new ones, as in a Region outage."""
        self._server.call("stop_region", {"region": region})

    def start_region(self, region: str) -> None:
        """Accept connections to the endpoint of a Region again."""
        self._server.call("start_region", {"region": region})

    @property
    def stopped_regions(self) -> tuple[str, ...]:
        """Regions that `stop_region` has stopped; known also while no server runs, until another user starts one."""
        kept = ServerOptions.kept(self.folder)
        return () if kept is None else kept.stopped_regions

    def set_available(self, region: str, *, available: bool) -> None:
        """Accept connections to the endpoint of a Region, or refuse them, as the state of its cluster requires.

        A Region that `stop_region` has stopped stays so.
        """
        self._server.call("set_available", {"region": region, "available": available})

    def inject(
        self,
        fault: Fault | str = "OC000",
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
        """Make COMMITs fail: by default the next write transaction of any client.

        Read-only COMMITs never match. An injection stays armed until it is used up or removed or the database is reset;
        one with a predicate at most until this object is closed. If several match a COMMIT, the first one applies.

        The predicate runs in this process, in a thread of its own, for one COMMIT at a time: for each that matches
        table, key, role and Region, before the cluster checks for conflicts. Only that COMMIT waits for it. If it
        raises an exception or exceeds the timeout, the COMMIT fails with SQLSTATE 38000, nothing is committed, and
        the injection stays armed. It may query the cluster through a connection of its own.

        Args:
            fault: `OC000` or `OC001` (SQLSTATE 40001), `connection-lost` (nothing is committed) or `outcome-unknown`
                (committed, but the connection breaks before the reply).
            times: number of COMMITs that fail; None: all that match.
            every: fail only every Nth COMMIT that matches.
            table: match only COMMITs that change this table, with or without its schema; None: any.
            key: match only COMMITs that change the row of `table` with this primary key, a tuple if it has several
                columns; None: any.
            role: match only COMMITs of this database role; None: any.
            region: match only COMMITs through the endpoint of this Region; None: any.
            predicate: match only COMMITs for which it returns true; None: any.
            timeout: seconds that a COMMIT waits for the predicate, including its time in the queue.

        Returns:
            The number of the injection, for `clear_injections`.

        Raises:
            ValueError: the fault or Region is unknown, a number is not positive, or `key` is given without `table`.
            TypeError: `predicate` is not a synchronous callable.
        """
        from local_dsql.control.codec import encode_injection, fault_named
        from local_dsql.control.predicate_client import PredicateClient, predicate_name
        from local_dsql.faults.injection import Injection
        from local_dsql.faults.keys import row_text

        if timeout <= 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {timeout}")
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
        if self._predicate_client is None:
            self._predicate_client = PredicateClient()
        try:
            return self._predicate_client.arm(self._server.connect(), predicate, given | {"timeout": timeout})
        except OSError:
            raise stopped_error(self.folder, "the local database stopped during inject") from None

    def injections(self) -> dict[int, Injection]:
        """Return the armed injections by number."""
        from local_dsql.control.codec import decode_injection

        armed = cast("dict[str, Json]", self._server.call("injections", {}))
        return {int(number): decode_injection(given) for number, given in armed.items()}

    def clear_injections(self, number: int | None = None) -> None:
        """Disarm one injection, by default all; no error if it is used up."""
        self._server.call("clear_injections", {"number": number})

    def conflicts(self) -> tuple[Conflict, ...]:
        """Return the conflicts since the last start or reset: the last 1,000, oldest first."""
        from local_dsql.control.codec import decode_conflict

        found = cast("list[Json]", self._server.call("conflicts", {})["conflicts"])
        return tuple(decode_conflict(each) for each in found)

    @contextlib.contextmanager
    def cost(self, budget: float | None = None) -> Iterator[Cost]:
        """Measure the cost of what all clients commit in a `with` block, by AWS's formulas.

        The result is complete at the end of the block: WriteDPU, bounds of ReadDPU, and storage. It is an estimate
        (divergence `cost-is-an-estimate`): rows have the sizes that PostgreSQL stores.

        Args:
            budget: DPU that the block may cost; None: any number.

        Raises:
            BudgetExceeded: the upper bound is more than `budget`; an AssertionError, for tests.
            ServerError: so much was written, or a reset happened, that the log of the block is gone.
        """
        from local_dsql.cost.result import Cost

        found = Cost()
        number = cast("int", self._server.call("begin_cost", {})["number"])
        yield found
        measured = Cost(**cast("dict[str, Any]", self._server.call("end_cost", {"number": number})))
        for each in fields(Cost):
            setattr(found, each.name, getattr(measured, each.name))
        if budget is not None:
            found.check(budget)

    def delay_jobs(self, seconds: float) -> None:
        """Delay the start of each index build and constraint validation; a reset keeps the delay, 0 ends it.

        On DSQL they take from seconds to hours; a delay shows what an application or a deploy does meanwhile.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"the delay must be 0 seconds or more, not {seconds}")
        self._server.call("delay_jobs", {"seconds": seconds})

    def pin(self) -> None:
        """Keep the server running without users, until `stop_server`."""
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
    """Stop the server of the folder, also while others use it; return whether one was running."""
    folder = Folder.at(path)
    return wait_for_end(folder, "stop")


def renew_identifier(path: Path | str) -> None:
    """Give the cluster in a copied folder another identifier, as a restored backup has on AWS; its data is kept.

    A running server of the folder is stopped.
    """
    stop_server(path)
    Folder.at(path).record_file.unlink(missing_ok=True)


def identifier_in(path: Path | str) -> str | None:
    """Return the identifier of the cluster in a folder; None if it was never served."""
    file = Folder.at(path).record_file
    return str(json.loads(file.read_text("utf-8"))["identifier"]) if file.exists() else None
