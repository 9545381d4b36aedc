"""The random histories of `ledger_model` with the migration function itself, on a local cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime.contract import Access, database_role
from lambda_migrator import handler, ledger_table, provision
from lambda_migrator.errors import MigrationFailedError
from lambda_migrator.grants import Grant
from tests.lambda_migrator.ledger_model import ARNS, CLERK, Event, Fact, Failure, History
from tests.lambda_migrator.test_crashes import Killed
from tests.support.grant_events import MAPPINGS, grant_properties, signed
from tests.support.lambda_invocation import Context

if TYPE_CHECKING:
    from blocks_runtime import Sql
    from lambda_migrator.admin import AdminConnection
    from tests.lambda_migrator.conftest import Deployment

pytestmark = pytest.mark.usefixtures("environment")

ANY = Grant(database_role("main", Access.READ_WRITE), Access.READ_WRITE, ARNS[0])
PRIVILEGES = (
    "SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p "
    f"WHERE EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{CLERK}') AND has_table_privilege('{CLERK}', 't', p)"
)
EXPIRE = "UPDATE _migrations_lock SET expires_at = now()"


class Handler:
    """The migration function in this process."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._facts: set[Fact] | None = None

    def send(self, event: Event) -> tuple[str, bool] | None:
        """Handle an event of CloudFormation."""
        self._facts = None
        answers: list[dict[str, Any]] = []
        killed = False

        def kill(*_: object) -> object:
            nonlocal killed
            killed = True
            raise Killed

        def refuse(admin: AdminConnection, statement: Sql) -> None:
            if statement.text.startswith("AWS IAM GRANT"):
                raise MigrationFailedError("refused", "by the test", "")
            admin.ddl(statement)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "custom_resource.cloudformation.send", lambda _, body, *__: answers.append(json.loads(body))
            )
            if event.failure is Failure.KILLED:
                patch.setattr(ledger_table, "settle", kill)
            if event.failure is Failure.REFUSED:
                patch.setattr(provision, "_send", refuse)
            handler.handler(_document(event), Context())
        if killed:
            self._deployment.run(EXPIRE)
            return None
        return answers[0]["PhysicalResourceId"], answers[0]["Status"] == "SUCCESS"

    def facts(self) -> set[Fact]:
        """Return the mappings, and the privileges of the custom role."""
        if self._facts is None:
            mappings: set[Fact] = {(str(role), str(arn)) for role, arn in self._deployment.rows(MAPPINGS)}
            self._facts = mappings | {
                (CLERK, "t", str(each)) for (each,) in self._deployment.rows(PRIVILEGES)
            }
        return self._facts


def _document(event: Event) -> dict[str, object]:
    request = event.request
    url = "http://localhost/answer?X-Amz-Signature=a"
    document: dict[str, object] = {
        "RequestType": event.kind,
        "ResponseURL": signed(url, request.signed_at) if request.signed_at else url,
        "StackId": request.stack,
        "RequestId": request.request,
        "ResourceType": "Custom::DsqlGrant",
        "LogicalResourceId": request.resource,
        "ResourceProperties": grant_properties(request.grants or (ANY,)),
    }
    return document | ({"PhysicalResourceId": request.physical_id} if request.physical_id else {})


def _play(deployment: Deployment, seed: int, most: int) -> None:
    deployment.run("CREATE TABLE t (id int PRIMARY KEY)")
    history = History(seed, Handler(deployment))
    left = history.run(most)
    allowed = {"a Delete was given up", "updated back under a new id"} & history.leftovers
    assert not left or allowed, "\n".join([f"left: {left}", *history.trail[-14:]])


@pytest.mark.parametrize("seed", range(4))
def test_no_function_in_service_is_locked_out(deployment: Deployment, seed: int) -> None:
    _play(deployment, seed, most=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 150))
def test_no_function_in_service_is_locked_out_in_many_histories(deployment: Deployment, seed: int) -> None:
    _play(deployment, seed, most=9)
