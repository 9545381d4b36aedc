"""Execute statements that PostgreSQL does not have: AWS IAM, asynchronous jobs, DSQL's version and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.commands import Command, text
from local_dsql.engine.execute import execute
from local_dsql.engine.powers import map_identity, unmap_identity
from local_dsql.engine.requests import Request
from local_dsql.engine.suspend import give_way
from local_dsql.jobs.submit import submit, write_record
from local_dsql.proxy import errors
from local_dsql.proxy.parameters import FIXED, RENAMED
from local_dsql.proxy.parse_cache import is_renamed, shows_version
from local_dsql.proxy.roles import ADMIN, is_reserved
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage, FrontendMessage
from local_dsql.wire.response import BackendError

if TYPE_CHECKING:
    from dsql_dialect import IamStatement, Statement
    from local_dsql.engine.session import HeldSession
    from local_dsql.jobs.submit import JobCommitted
    from local_dsql.proxy.passthrough import Passthrough
    from local_dsql.proxy.session import ClientSession
    from local_dsql.proxy.statement_execution import StatementExecution
    from local_dsql.proxy.transaction_control import TransactionControl
    from local_dsql.wire.frames import Frame

_CAN_LOGIN = "SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = $1"
JOB_ID = (("job_id", messages.TEXT_OID),)


class LocalStatements:
    """Executes what the proxy executes itself; `job_committed` is called once a submitted job has been committed."""

    def __init__(
        self,
        session: ClientSession,
        passthrough: Passthrough,
        control: TransactionControl,
        job_committed: JobCommitted,
    ) -> None:
        self._session = session
        self._passthrough = passthrough
        self._control = control
        self._job_committed = job_committed

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
        if is_renamed(statement):
            return await self._parameter(execution, statement, description)
        return await self._ddl(execution, statement, description)

    async def _parameter(
        self, execution: StatementExecution, statement: Statement, description: bytes
    ) -> bool:
        """Set or show a parameter under the name that PostgreSQL has for it."""
        session = self._session
        sql = statement.with_parameter(RENAMED[str(statement.parameter)])
        query = messages.query(sql, session.statements.codec)
        async with session.engine.exclusive() as held:
            if not await self._passthrough.ensure_active(held):
                return False
            if session.transaction is None:
                (response,) = await held.ask(query)
            else:
                request = Request(query, simple=True, statement=statement, sets_parameters=statement.is_set)
                response = await execute(held, request)
        if (fields := response.error) is not None:
            session.client.send(messages.error(fields))
            return session.fail()
        kept = (BackendMessage.NOTICE_RESPONSE, BackendMessage.DATA_ROW, BackendMessage.COMMAND_COMPLETE)
        result = b"".join(raw for kind, raw in response.frames if kind in kept)
        session.client.send(execution.local_response(result, description))
        return True

    async def _ddl(self, execution: StatementExecution, statement: Statement, description: bytes) -> bool:
        session = self._session
        if session.transaction is None:
            await self._control.begin_implicit()
        try:
            async with session.engine.exclusive() as held:
                if not await self._passthrough.ensure_active(held):
                    return False
                result = await self._execute(held, statement)
                session.client.send(execution.local_response(result, description))
                await give_way(held)
        except BackendError as error:
            session.client.send(messages.error(error.fields))
            return session.fail()
        return True

    async def _execute(self, held: HeldSession, statement: Statement) -> bytes:
        """Execute the statement; return the messages to send.

        Raises:
            BackendError: it is refused.
        """
        if statement.iam is not None:
            tag = await self._iam(held, statement.iam)
            held.transaction.rules = held.transaction.rules.after(statement)
            return messages.command_complete(tag)
        job = await submit(held, statement, self._session.statements.codec, self._job_committed)
        row = messages.data_row([job.job_id]) if job.job_id else b""
        return job.notices + row + messages.command_complete(job.tag)

    async def _iam(self, held: HeldSession, statement: IamStatement) -> str:
        """Map an IAM identity to a database role, or remove the mapping."""
        if held.session.role != ADMIN:
            raise _error("42501", "permission denied to grant IAM trust with role", "Log in as admin.")
        (found,) = await held.run([Command(_CAN_LOGIN, (text(statement.role),))])
        if is_reserved(statement.role) or not found.rows:
            missing = errors.unknown_role(statement.role)
            raise _error(missing.sqlstate, missing.message, str(missing.hint))
        if not found.is_true:
            message = f"role {statement.role} must have the LOGIN attribute"
            raise _error("42501", message, "Use ALTER ROLE … WITH LOGIN.")
        change = unmap_identity if statement.revoke else map_identity
        await write_record(held, change(held.services.token, statement.role, statement.arn))
        return "AWS IAM REVOKE" if statement.revoke else "AWS IAM GRANT"


def _columns(statement: Statement) -> tuple[tuple[str, int], ...]:
    if statement.async_job:
        return JOB_ID
    if statement.shown_parameter is not None:
        return ((str(statement.shown_parameter), messages.TEXT_OID),)
    return ()


def _error(sqlstate: str, message: str, hint: str) -> BackendError:
    return BackendError({"S": "ERROR", "V": "ERROR", "C": sqlstate, "M": message, "H": hint})


def _formats(frames: tuple[Frame, ...]) -> list[int]:
    bind = next((raw for kind, raw in frames if kind == FrontendMessage.BIND), None)
    return messages.result_formats(bind) if bind is not None else []
