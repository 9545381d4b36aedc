"""Statements that PostgreSQL does not have: AWS IAM, asynchronous jobs, DSQL's version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.jobs.submit import submit
from local_dsql.proxy.parse_cache import SHOWN, is_version
from local_dsql.wire import messages
from local_dsql.wire.response import BackendError
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dsql_dialect import IamStatement, Statement
    from local_dsql.proxy.session import Session
    from local_dsql.proxy.units import Unit
    from local_dsql.wire.frames import Frame

JOB_ID = (("job_id", messages.TEXT_OID),)


class LocalStatements:
    """Carries out what the front carries out itself."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def run(self, unit: Unit, statement: Statement) -> bool:
        """Run the unit, or describe it where it executes nothing; return whether it succeeded."""
        columns = self._columns(statement)
        described = messages.row_description(columns, _formats(unit.frames)) if columns else messages.NO_DATA
        if not unit.executes:
            self.session.client.send(unit.answer(b"", described))
            return True
        if is_version(statement):
            name, _ = columns[0]
            result = messages.data_row([SHOWN[name]]) + messages.command_complete("SHOW")
            self.session.client.send(unit.answer(result, described))
            return True
        return await self._ddl(unit, statement, described)

    async def _ddl(self, unit: Unit, statement: Statement, described: bytes) -> bool:
        session, work = self.session, self.session.work
        if session.transaction is None:
            await session.transactions.begin_implicit()
        transaction = session.transaction
        assert transaction is not None
        try:
            async with session.engine.mutex, session.backend.lock:
                if not await work.back():
                    return False
                result, redo = await self._carry_out(statement)
        except BackendError as error:
            work.fail()
            session.client.send(messages.error(error.fields))
            return False
        transaction.rules = transaction.rules.after(statement)
        work.note_text(transaction, statement)
        work.changed_catalog(transaction, redo)
        session.client.send(unit.answer(result, described))
        return True

    async def _carry_out(self, statement: Statement) -> tuple[bytes, Callable[[], Awaitable[None]]]:
        """Do it; return the result to send, and how to do it again."""
        if statement.iam is not None:
            iam = statement.iam
            tag = await self._iam(iam)

            async def map_again() -> None:
                await self._iam(iam)

            return messages.command_complete(tag), map_again
        job = await submit(self.session.engine, self.session, statement, self.session.front.jobs.wake)
        row = messages.data_row([job.job_id]) if job.job_id else b""
        return job.notices + row + messages.command_complete(job.tag), job.redo

    @staticmethod
    def _columns(statement: Statement) -> tuple[tuple[str, int], ...]:
        if statement.async_job:
            return JOB_ID
        if is_version(statement):
            return ((str(statement.shown_parameter), messages.TEXT_OID),)
        return ()

    async def _iam(self, statement: IamStatement) -> str:
        """Map an IAM identity to a database role, or end that."""
        role, arn = literal(statement.role), literal(statement.arn)
        if self.session.role != "admin":
            raise _error("42501", "permission denied to grant IAM trust with role", "Log in as admin.")
        rows = await self.session.work.privileged_rows(
            f"SELECT oid, rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = {role}"
        )
        if not rows:
            raise _error(
                "42704", f'role "{statement.role}" does not exist', "Make it first: CREATE ROLE … WITH LOGIN."
            )
        oid, can_login = rows[0]
        if can_login != "t":
            raise _error(
                "42501",
                f"role {statement.role} must have the LOGIN attribute",
                "Use ALTER ROLE … WITH LOGIN.",
            )
        if statement.revoke:
            await self.session.work.privileged_rows(
                f"DELETE FROM local_dsql.iam_mapping WHERE role = {oid} AND arn = {arn}"
            )
            return "AWS IAM REVOKE"
        await self.session.work.privileged_rows(
            "INSERT INTO local_dsql.iam_mapping (iam_oid, arn, role, grantor)"
            f" SELECT pg_catalog.nextval('local_dsql.iam_oid'), {arn}, {oid}, oid"
            " FROM pg_catalog.pg_roles WHERE rolname = 'admin' ON CONFLICT (arn, role) DO NOTHING"
        )
        return "AWS IAM GRANT"


def _error(sqlstate: str, message: str, hint: str) -> BackendError:
    return BackendError({"S": "ERROR", "V": "ERROR", "C": sqlstate, "M": message, "H": hint})


def _formats(frames: tuple[Frame, ...]) -> list[int]:
    bind = next((raw for kind, raw in frames if kind == b"B"), None)
    return messages.result_formats(bind) if bind is not None else []
