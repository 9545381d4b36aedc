"""Execute statements that PostgreSQL does not have: AWS IAM, asynchronous jobs, DSQL's version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.jobs.submit import submit
from local_dsql.proxy.parameters import FIXED
from local_dsql.proxy.parse_cache import shows_version
from local_dsql.wire import messages
from local_dsql.wire.message_types import FrontendMessage
from local_dsql.wire.response import BackendError
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dsql_dialect import IamStatement, Statement
    from local_dsql.proxy.engine_session import EngineSession, ExclusiveAccess
    from local_dsql.proxy.session import ClientSession
    from local_dsql.proxy.statement_execution import StatementExecution
    from local_dsql.proxy.transaction_control import TransactionControl
    from local_dsql.wire.frames import Frame

JOB_ID = (("job_id", messages.TEXT_OID),)


class LocalStatements:
    """Executes what the proxy executes itself; `wake_jobs` is called once a submitted job has been committed."""

    def __init__(
        self,
        session: ClientSession,
        engine: EngineSession,
        control: TransactionControl,
        wake_jobs: Callable[[], None],
    ) -> None:
        self._session = session
        self._engine = engine
        self._control = control
        self._wake_jobs = wake_jobs

    async def run(self, execution: StatementExecution, statement: Statement) -> bool:
        """Run the statement, or only describe it if there is no Execute; return whether it succeeded."""
        columns = _columns(statement)
        description = (
            messages.row_description(columns, _formats(execution.frames)) if columns else messages.NO_DATA
        )
        if not execution.executes:
            self._session.client.send(execution.local_response(b"", description))
            return True
        if shows_version(statement):
            value = FIXED[str(statement.shown_parameter)]
            result = messages.data_row([value]) + messages.command_complete("SHOW")
            self._session.client.send(execution.local_response(result, description))
            return True
        return await self._ddl(execution, statement, description)

    async def _ddl(self, execution: StatementExecution, statement: Statement, description: bytes) -> bool:
        session = self._session
        if session.transaction is None:
            await self._control.begin_implicit()
        try:
            async with self._engine.exclusive() as held:
                if (refusal := await held.resume()) is not None:
                    return session.refuse(refusal)
                result, repeat = await self._execute(held, statement)
        except BackendError as error:
            session.client.send(messages.error(error.fields))
            return session.fail()
        self._engine.record_statement(statement)
        self._engine.record_ddl(repeat)
        session.client.send(execution.local_response(result, description))
        return True

    async def _execute(
        self, held: ExclusiveAccess, statement: Statement
    ) -> tuple[bytes, Callable[[], Awaitable[None]]]:
        """Execute the statement; return the result to send, and the function that executes it again."""
        if statement.iam is not None:
            iam = statement.iam
            tag = await self._iam(held, iam)

            async def map_again() -> None:
                await self._iam(held, iam)

            return messages.command_complete(tag), map_again
        job = await submit(held, statement, self._wake_jobs)
        row = messages.data_row([job.job_id]) if job.job_id else b""
        return job.notices + row + messages.command_complete(job.tag), job.repeat

    async def _iam(self, held: ExclusiveAccess, statement: IamStatement) -> str:
        """Map an IAM identity to a database role, or remove the mapping."""
        role, arn = literal(statement.role), literal(statement.arn)
        if self._session.role != "admin":
            raise _error("42501", "permission denied to grant IAM trust with role", "Log in as admin.")
        rows = await held.privileged_rows(
            f"SELECT oid, rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = {role}"
        )
        if not rows:
            message = f'role "{statement.role}" does not exist'
            raise _error("42704", message, "Create it first: CREATE ROLE … WITH LOGIN.")
        oid, can_login = rows[0]
        if can_login != "t":
            message = f"role {statement.role} must have the LOGIN attribute"
            raise _error("42501", message, "Use ALTER ROLE … WITH LOGIN.")
        if statement.revoke:
            await held.privileged_rows(
                f"DELETE FROM local_dsql.iam_mapping WHERE role = {oid} AND arn = {arn}"
            )
            return "AWS IAM REVOKE"
        await held.privileged_rows(
            "INSERT INTO local_dsql.iam_mapping (iam_oid, arn, role, grantor)"
            f" SELECT pg_catalog.nextval('local_dsql.iam_oid'), {arn}, {oid}, oid"
            " FROM pg_catalog.pg_roles WHERE rolname = 'admin' ON CONFLICT (arn, role) DO NOTHING"
        )
        return "AWS IAM GRANT"


def _columns(statement: Statement) -> tuple[tuple[str, int], ...]:
    if statement.async_job:
        return JOB_ID
    if shows_version(statement):
        return ((str(statement.shown_parameter), messages.TEXT_OID),)
    return ()


def _error(sqlstate: str, message: str, hint: str) -> BackendError:
    return BackendError({"S": "ERROR", "V": "ERROR", "C": sqlstate, "M": message, "H": hint})


def _formats(frames: tuple[Frame, ...]) -> list[int]:
    bind = next((raw for kind, raw in frames if kind == FrontendMessage.BIND), None)
    return messages.result_formats(bind) if bind is not None else []
