"""The Python API of a local DynamoDB."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_dsql.storage.locks import FileLock
from local_dynamodb.errors import LocalDynamoError
from local_dynamodb.folder import LOG, START_LOCK, STATE, USERS_LOCK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from local_dsql.access import Permission

START_TIMEOUT = 60.0
"""Seconds; a start takes a few tenths, more on a loaded machine."""

REGION = "us-east-1"

_EXISTS = "ResourceInUseException"
"""Error of CreateTable for a table that exists."""

_DETACH = '"$@" &'
"""Shell command that starts the server in the background, so that it is not our child and needs no wait()."""


class LocalDynamo:
    """A local DynamoDB, kept in a folder and served on loopback by one process for all its users.

    Use it as a context manager, or call `start` and `close`. The server ends when its last user has closed it or died.
    """

    def __init__(self, folder: Path | str) -> None:
        """Store the folder; nothing is started yet."""
        self.folder = Path(folder).resolve()
        self._users = FileLock(self.folder / USERS_LOCK)
        self._port = 0

    def start(self) -> LocalDynamo:
        """Attach to the server of the folder, or start one; return the object itself.

        Raises:
            LocalDynamoError: the server does not start.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._users.lock_shared(START_TIMEOUT)
        except (OSError, TimeoutError) as error:
            raise LocalDynamoError(
                f"the folder {self.folder} cannot be used", str(error), "choose another one, or free it"
            ) from error
        starting = FileLock(self.folder / START_LOCK)
        starting.lock_exclusive(START_TIMEOUT)
        try:
            if not self._running():
                self._launch()
        finally:
            starting.release()
        return self

    def close(self) -> None:
        """Detach; the server ends with its last user. Safe to repeat."""
        self._users.release()
        self._port = 0

    @property
    def url(self) -> str:
        """URL of the endpoint, for `AWS_ENDPOINT_URL_DYNAMODB` or `endpoint_url`.

        Raises:
            LocalDynamoError: it is not started.
        """
        if not self._port:
            raise _not_started(self.folder)
        return f"http://127.0.0.1:{self._port}"

    def environment(self, region: str = REGION) -> dict[str, str]:
        """Return the variables with which boto3 and every AWS SDK use this DynamoDB."""
        return {
            "AWS_ENDPOINT_URL_DYNAMODB": self.url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",  # any key that is no identity's is accepted
        }

    def create_table(self, name: str, *, region: str = REGION, replicas: Sequence[str] = ()) -> None:
        """Create a table for `AtomicTable`, if it does not exist: string keys `pk` and `sk`, time to live on `ttl`.

        Args:
            name: name of the table.
            region: Region of the table.
            replicas: further Regions; the last writer wins there, after `set_replication_delay`.

        Raises:
            LocalDynamoError: the name or a Region is not valid.
        """
        _check_regions([region])
        _check_regions(replicas)
        keys = {"pk": "HASH", "sk": "RANGE"}
        created = self.request(
            "CreateTable",
            {
                "TableName": name,
                "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
                "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
                "BillingMode": "PAY_PER_REQUEST",
            },
            region,
        )
        if "TableDescription" not in created and _EXISTS not in created.get("__type", ""):
            said = str(created.get("message") or created)
            raise LocalDynamoError(f"the table {name!r} cannot be created", said, "check its name and Region")
        if "TableDescription" in created:
            ttl = {"Enabled": True, "AttributeName": "ttl"}
            self.request("UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": ttl}, region)
        if replicas:
            self.replicate(name, [region, *replicas])

    def replicate(self, table: str, regions: Sequence[str]) -> None:
        """Make a table that exists in one Region a replicated table in all of `regions`; its items are copied."""
        _check_regions(regions)
        self._command("replicate", table=table, regions=list(regions))

    def reset(self) -> None:
        """Delete all items and injections, in milliseconds; tables, port and Regions stay."""
        self._command("reset")

    def inject(
        self,
        fault: str,
        *,
        times: int | None = 1,
        every: int = 1,
        table: str | None = None,
        key: str | None = None,
        operation: str | None = None,
        region: str | None = None,
    ) -> int:
        """Make the next requests fail, and return a number for `remove`.

        Args:
            fault: a value of `local_dynamodb.Fault`, such as `TransactionConflict` or `outcome-unknown`.
            times: number of requests; None: all that match, until it is removed.
            every: only every Nth request that matches.
            table: only requests on this table.
            key: only requests on items with this partition key.
            operation: only this operation, such as `PutItem`.
            region: only requests to this Region.

        Raises:
            LocalDynamoError: there is no such fault, or it cannot hit the operation.
        """
        return int(
            self._command(
                "inject",
                fault=fault,
                times=times,
                every=every,
                table=table,
                key=key,
                operation=operation,
                region=region,
            )
        )

    def remove(self, number: int) -> None:
        """Disarm an injection; no error if it is used up or unknown."""
        self._command("remove", number=number)

    def armed(self) -> dict[int, str]:
        """Return the faults of the armed injections by number."""
        return {int(number): fault for number, fault in self._command("armed").items()}

    def delete_expired(self, now: float | None = None) -> int:
        """Delete the items whose time to live has passed, and return their number.

        Nothing is deleted otherwise, as DynamoDB deletes up to days later. The deletions are replicated as any other.
        `now` is in seconds since the epoch.
        """
        return int(self._command("delete_expired", now=now))

    def tables(self) -> list[str]:
        """Return the names of all tables, as `region/name`."""
        return list(self._command("tables"))

    def set_replication_delay(self, seconds: float) -> None:
        """Set the time from a write to its arrival in the other Regions."""
        self._command("delay", seconds=seconds)

    def settle(self) -> None:
        """Let all writes arrive in the other Regions now; in a stopped Region, when it is started."""
        self._command("settle")

    def stop_region(self, region: str) -> None:
        """Break every request to a Region, and let no write of another one arrive there, until the server ends."""
        _check_regions([region])
        self._command("stop_region", region=region)

    def start_region(self, region: str) -> None:
        """End `stop_region`."""
        self._command("start_region", region=region)

    def identity(self, access_key_id: str, name: str, permissions: Sequence[Permission]) -> None:
        """Accept requests of a key only as its permissions allow; other keys may do everything.

        Args:
            access_key_id: the key that signs the requests.
            name: ARN of the role, for messages.
            permissions: permissions of the role.
        """
        listed = [[each.action, each.resource, each.effect.value] for each in permissions]
        self._command("identity", access_key_id=access_key_id, name=name, permissions=listed)

    def request(self, operation: str, parameters: dict[str, Any], region: str = REGION) -> dict[str, Any]:
        """Send a request of DynamoDB's API and return the body of the answer, also that of an error."""
        headers = {
            "x-amz-target": f"DynamoDB_20120810.{operation}",
            "authorization": f"AWS4-HMAC-SHA256 Credential=local/20000101/{region}/dynamodb/aws4_request",
        }
        return self._post("/", parameters, headers)[1]

    def _command(self, command: str, /, **parameters: object) -> Any:
        status, answer = self._post(f"/_local/{command}", parameters, {"x-local-dynamodb": "1"})
        if status != 200:
            raise LocalDynamoError(
                f"the local DynamoDB refused the command {command}", answer["message"], "check its arguments"
            )
        return answer["result"]

    def _post(self, path: str, body: object, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if not self._port:
            raise _not_started(self.folder)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def _running(self) -> bool:
        """Return whether a server of the folder answers, and note its port."""
        try:
            self._port = int(json.loads((self.folder / STATE).read_text())["port"])
            self._command("ping")
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            self._port = 0
        return bool(self._port)

    def _launch(self) -> None:
        (self.folder / STATE).unlink(missing_ok=True)
        command = [sys.executable, "-P", "-m", "local_dynamodb", str(self.folder)]
        path = os.pathsep.join(filter(None, [*_source_folders(), os.environ.get("PYTHONPATH", "")]))
        with (self.folder / LOG).open("wb") as log:
            subprocess.run(
                ["/bin/sh", "-c", _DETACH, "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": path},
                check=True,
            )
        limit = time.monotonic() + START_TIMEOUT
        while not self._running():
            if time.monotonic() > limit or self._has_ended():
                raise LocalDynamoError(
                    f"the local DynamoDB does not start ({self.folder})", self._tail(), "start it again"
                )
            time.sleep(0.01)

    def _has_ended(self) -> bool:
        """Return whether the server process has written an error."""
        return bool(self._tail()) and not (self.folder / STATE).exists()

    def _tail(self) -> str:
        with contextlib.suppress(OSError):
            return "\n".join((self.folder / LOG).read_text(errors="replace").splitlines()[-10:])
        return ""

    def __enter__(self) -> LocalDynamo:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LocalDynamo({str(self.folder)!r})"


def _check_regions(regions: Sequence[object]) -> None:
    """Check a list of Regions.

    Raises:
        LocalDynamoError: it is one text, whose letters would be Regions, or has something else than text.
    """
    if isinstance(regions, str) or not all(isinstance(each, str) and each for each in regions):
        raise LocalDynamoError(
            "the Regions are not given as a list of text", f"they are {regions!r}", 'write ["us-east-2"]'
        )


def _source_folders() -> list[str]:
    """Return the folders that the packages of the server are in."""
    import blocks_runtime

    return [str(Path(__file__).parents[1]), str(Path(blocks_runtime.__file__).parents[1])]


def _not_started(folder: Path) -> LocalDynamoError:
    return LocalDynamoError(
        f"the local DynamoDB in {folder} is not started", "it has no endpoint", "call start() first"
    )
