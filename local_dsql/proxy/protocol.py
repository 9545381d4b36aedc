"""Process a message batch statement by statement (simple and extended query protocol).

Invariants on which the rest of the proxy relies:

- A statement is answered completely before the next one begins, and the backend is idle in between.
- After an error in a transaction the proxy needs PostgreSQL only for ROLLBACK; until then it answers every statement
  itself with 25P02.
- Statements of one batch outside of a transaction block are wrapped in an *implicit* transaction, as in PostgreSQL.
  It ends with the batch: at Sync, or at the end of a Query.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dsql_dialect import Kind
from local_dsql.proxy import errors
from local_dsql.proxy.message_checks import check_message
from local_dsql.proxy.message_group import MessageGroup, is_several
from local_dsql.proxy.parse_cache import is_local, is_plain, shows_version
from local_dsql.proxy.passthrough import ReadResult
from local_dsql.proxy.roles import is_internal, is_reserved_name
from local_dsql.proxy.statement_execution import StatementExecution, simple_execution
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import COPY, FRONTEND_ROLES, FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from dsql_dialect import Statement
    from local_dsql.proxy.executor import Executor
    from local_dsql.proxy.local_statements import LocalStatements
    from local_dsql.proxy.message_queue import MessageQueue
    from local_dsql.proxy.parse_cache import ParsedQuery
    from local_dsql.proxy.passthrough import Passthrough
    from local_dsql.proxy.session import ClientSession
    from local_dsql.proxy.transaction_control import TransactionControl
    from local_dsql.wire.frames import Frame
    from local_dsql.wire.messages import ServerMessage

_ENDING = ("COMMIT", "ROLLBACK")


class QueryProtocol:
    """Processes the batches of one session that cannot be relayed as they are."""

    def __init__(
        self,
        session: ClientSession,
        queue: MessageQueue,
        passthrough: Passthrough,
        control: TransactionControl,
        executor: Executor,
        local: LocalStatements,
    ) -> None:
        self._session = session
        self._queue = queue
        self._passthrough = passthrough
        self._control = control
        self._executor = executor
        self._local = local
        self.skipping = False
        """True if an extended message has failed: all messages up to Sync are ignored."""

    async def process(self, batch: list[Frame]) -> None:
        """Answer one batch, with ReadyForQuery if it is due.

        Raises:
            ConnectionLost: PostgreSQL closed the connection.
            CloseConnection: the client's connection must be closed.
        """
        self._session.client.buffer_output()
        try:
            await self._process(batch)
        finally:
            self._session.client.flush()

    async def _process(self, batch: list[Frame]) -> None:
        """Process a batch: extended messages, if any, and the message that ends it (Sync, Flush or a Query).

        After an error in an extended message, all messages up to the next Sync are skipped, as in PostgreSQL. A Flush
        ends a batch and not the skipping, so `skipping` outlasts a batch.
        """
        kind, raw = batch[-1]
        if len(batch) > 1 and not await self._extended_query(batch):
            return
        if kind not in FRONTEND_ROLES:
            raise errors.CloseConnection(errors.unknown_message(kind[0]))
        if kind == FrontendMessage.SYNC:
            self.skipping = False  # Sync ends the skipping, even if it is malformed
            if raw != messages.SYNC:
                self._check(kind, raw)
            await self._end_batch()
        elif not self.skipping and self._check(kind, raw):
            if kind == FrontendMessage.FLUSH:
                return  # responses are sent at the end of each batch anyway
            if kind == FrontendMessage.QUERY:
                await self._simple_query(raw)
            else:
                self._session.refuse(errors.FUNCTION_CALL)
            await self._end_batch()
        elif kind == FrontendMessage.FLUSH:
            self.skipping = True  # a malformed Flush is an error of an extended message
        elif not self.skipping:
            await self._end_batch()  # a malformed Query or FunctionCall: ReadyForQuery follows the error

    def _check(self, kind: bytes, raw: bytes) -> bool:
        """Return whether a message is well-formed; if not, the client has received the error."""
        wrong = check_message(kind, raw, self._session.statements.codec)
        return True if wrong is None else self._session.refuse(wrong)

    async def _end_batch(self) -> None:
        """End the implicit transaction, if any, and send ReadyForQuery."""
        session = self._session
        transaction, completion = session.transaction, self._passthrough.take_deferred_completion()
        if transaction is not None and transaction.implicit and not await self._control.end_implicit():
            completion = b""
        if session.transaction is not None and session.transaction.failed:
            await self._passthrough.reset_settings()
        if session.transaction is None:
            session.statements.forget_portals()
        session.client.send(completion + session.parameter_changes() + messages.READY[session.status])

    # simple query

    async def _simple_query(self, raw: bytes) -> None:
        known = self._session.statements
        query = known.parse(raw[BODY:-1])
        statements = query.statements
        known.forget_unnamed()
        if not statements:
            self._session.client.send(messages.EMPTY_QUERY)
            return
        if (refusal := self._text_refusal(query)) is not None:
            self._session.refuse(refusal)
            return
        known.forget_unnamed_portal()
        several = len(statements) > 1
        for number, statement in enumerate(statements, 1):
            if several and self._session.transaction is None and statement.transaction is None:
                await self._control.begin_implicit()
            self._passthrough.defers_completion = number == len(statements)
            if not await self._passthrough.or_conflict(
                self._execute(simple_execution(statement, known.codec))
            ):
                return
            self._session.update_encoding()

    def _text_refusal(self, query: ParsedQuery) -> ServerMessage | None:
        """Return the error of a whole text: PostgreSQL parses all of it first, and DSQL checks all of it first."""
        transaction = self._session.transaction
        finding = query.script.syntax_error
        if finding is None:
            if transaction is not None and transaction.failed:
                return None
            findings = query.script.findings
            finding = findings[0] if findings else None
        if finding is None:
            rules = transaction.rules if transaction is not None else errors.NO_RULES_YET
            finding = rules.first_refusal(query.statements)
        return None if finding is None else errors.refusal(finding)

    # extended query

    async def _extended_query(self, batch: list[Frame]) -> bool:
        """Process a batch except for the message that ends it; return whether that message is to be processed.

        The batch is cut into groups after each Execute, before a Parse, and before a Close that follows other messages:
        then PostgreSQL's response shows which messages it has processed. It is also cut where local answers begin or
        end, such as those of a lost portal.
        """
        group = MessageGroup()
        several = is_several(batch)
        for number, (kind, raw) in enumerate(self._for_backend(batch[:-1]), 1):
            if group.frames and self._begins_group(kind, raw, group):
                group = await self._run_group(group, several)
            if self.skipping:
                return True  # the last message of the batch decides whether the skipping ends
            if kind in COPY:
                continue  # of a COPY that has failed, or of none
            refusal, query = self._register(kind, raw)
            if refusal is not None:
                await self._run_group(group, several)
                if not self.skipping:
                    self.skipping = True
                    self._session.refuse(refusal)
                return True
            describe = self._local_description(kind, raw, query, binds=group.binds)
            if describe is not None:
                group = await self._run_group(group, several)
                await self._answer(describe)
                continue
            local = query is not None and query.handled_locally
            if local != group.local:
                group = await self._run_group(group, several)
            group.add(kind, raw, query, local=local)
            if kind == FrontendMessage.EXECUTE and not self.skipping:
                if group.takes_rows:
                    # The rest of the batch may be rows of the COPY: the executor reads it from the queue.
                    self._queue.put_back(batch[number:])
                    await self._run_group(group, several=True)
                    return False
                group = await self._run_group(group, several)
        if group.frames:
            await self._run_group(group, several)
        return True

    def _for_backend(self, frames: list[Frame]) -> Iterator[Frame]:
        known = self._session.statements
        for kind, raw in frames:
            yield kind, known.for_backend(raw) if kind == FrontendMessage.PARSE else raw

    def _begins_group(self, kind: bytes, raw: bytes, group: MessageGroup) -> bool:
        """Return whether the group has to run before a message."""
        if kind == FrontendMessage.EXECUTE:
            return raw[BODY:].partition(b"\0")[0] in self._session.statements.portals.lost
        return kind == FrontendMessage.PARSE or (kind == FrontendMessage.CLOSE and not group.only_closes)

    async def _answer(self, describe: Callable[[], Awaitable[bool]]) -> None:
        """Answer a message here, unless a message before it has failed."""
        if not self.skipping and not await self._passthrough.or_conflict(describe()):
            self.skipping = True

    def _local_description(
        self, kind: bytes, raw: bytes, query: ParsedQuery | None, *, binds: bool
    ) -> Callable[[], Awaitable[bool]] | None:
        """Return the function that answers a Describe of a portal which PostgreSQL may have closed, None for another.

        `binds`: a message that is not sent yet may bind the portal.
        """
        if kind != FrontendMessage.DESCRIBE:
            return None
        target, name = messages.target_parts(raw)
        if target != ObjectKind.PORTAL:
            return None
        if not binds and query is not None and query.only is not None and query.only.transaction is not None:
            return self._describe_as_no_data
        transaction, lost = self._session.transaction, self._session.statements.portals.lost
        if name in lost and transaction is not None and not transaction.failed:
            return partial(self._passthrough.describe_lost, name)
        return None

    async def _describe_as_no_data(self) -> bool:
        self._session.client.send(messages.NO_DATA)
        return True

    def _register(self, kind: bytes, raw: bytes) -> tuple[ServerMessage | None, ParsedQuery | None]:
        """Register a message: return why it must not be sent to PostgreSQL, and the text that it refers to.

        A message with an unknown name is never sent: PostgreSQL might know the name for a statement that was not
        checked here.
        """
        known = self._session.statements
        try:
            wrong = None if raw.isascii() else check_message(kind, raw, known.codec)
            if wrong is not None:
                return wrong, None
            query = known.register(kind, raw)
            if kind == FrontendMessage.BIND and query is not None and self._is_lost(raw):
                return errors.existing_portal(messages.bind_parts(raw)[0]), query
        except ValueError:
            return check_message(kind, raw, known.codec), None
        if query is not None and kind == FrontendMessage.EXECUTE and self._is_spent(query, raw):
            return errors.spent_portal(messages.execute_parts(raw)[0]), None
        if query is not None or kind in (FrontendMessage.PARSE, FrontendMessage.CLOSE):
            return None, query
        return _unknown_name(kind, raw), None

    def _is_lost(self, bind: bytes) -> bool:
        """Return whether the named portal of a Bind exists already, and PostgreSQL does not know it any more."""
        transaction, portal = self._session.transaction, messages.bind_parts(bind)[0]
        lost = bool(portal) and portal in self._session.statements.portals.lost
        return lost and transaction is not None and not transaction.failed

    def _is_spent(self, query: ParsedQuery, raw: bytes) -> bool:
        """Return whether a portal without rows is executed again. PostgreSQL may have closed it."""
        if query.only is None or query.only.returns_rows:
            return False
        return self._session.statements.portals.has_begun(messages.execute_parts(raw)[0])

    async def _run_group(self, group: MessageGroup, several: bool) -> MessageGroup:
        """Run a group, unless a message before it has failed; return a new, empty one."""
        if group.frames and not self.skipping:
            await self._run_messages(group, several)
            self._session.update_encoding()
        return MessageGroup()

    async def _run_messages(self, group: MessageGroup, several: bool) -> None:
        session, known = self._session, self._session.statements
        statement = group.query.only if group.query is not None else None
        borrowed_parse = known.unnamed if group.borrows else b""
        execution = StatementExecution(statement, tuple(group.frames), borrowed_parse)
        controls = statement is not None and statement.transaction is not None
        if several and group.binds and session.transaction is None and not (controls and execution.executes):
            await self._control.begin_implicit()
        for kind, raw in group.frames:
            if kind == FrontendMessage.EXECUTE:
                known.portals.executed(*messages.execute_parts(raw))
        self._passthrough.parsed = 0
        self._passthrough.completed = False
        if execution.executes or group.local:
            done = await self._passthrough.or_conflict(self._execute(execution))
            if self._passthrough.completed:
                known.portals.completed()
        else:
            done = await self._passthrough.or_conflict(self._prepare(execution))
        if group.local and not done:
            known.forget_bound()
        known.keep_batch(None if done else self._passthrough.parsed)
        if not done:
            self.skipping = True

    async def _prepare(self, execution: StatementExecution) -> bool:
        """Send Parse, Bind, Describe and Close without Execute."""
        transaction = self._session.transaction
        if transaction is not None and transaction.failed:
            return await self._passthrough.forward_failed(execution)
        return await self._passthrough.forward(execution)

    # one statement

    async def _execute(self, execution: StatementExecution) -> bool:
        """Run one statement, or refuse it; return whether it succeeded."""
        statement, transaction = execution.statement, self._session.transaction
        if transaction is not None and not transaction.failed and not execution.simple:
            served = self._passthrough.serve(execution)
            if served is not None:
                return served
        if transaction is not None and transaction.failed and not _ends_transaction(statement):
            return await self._execute_in_failed(execution)
        if statement is None:
            return await self._passthrough.forward(execution)
        refusal = self._refusal(statement)
        if refusal is not None:
            return self._session.refuse(refusal)
        return await self._dispatch(execution, statement)

    async def _execute_in_failed(self, execution: StatementExecution) -> bool:
        """Run a statement in a failed transaction: PostgreSQL reports the errors that it would report first."""
        statement = execution.statement
        if statement is None:
            return await self._passthrough.forward_failed(execution)
        readable = statement.finding is None or not statement.is_unreadable
        local = statement.findings or statement.iam or statement.async_job
        preparation = None if local or execution.simple else execution.preparation
        if preparation is not None and not await self._passthrough.forward_failed(preparation):
            return False
        return self._session.refuse(errors.ABORTED if readable else errors.refusal(statement.findings[0]))

    def _refusal(self, statement: Statement) -> ServerMessage | None:
        if statement.finding is not None:
            return errors.refusal(statement.finding)
        if (role := next(filter(is_internal, sorted(statement.roles)), None)) is not None:
            return errors.unknown_role(role)
        if statement.new_role is not None and is_reserved_name(statement.new_role):
            return errors.reserved_role(statement.new_role)
        transaction = self._session.transaction
        if transaction is None:
            return None
        if statement.outside_transaction:
            return errors.outside_only(statement)
        broken = transaction.rules.refusal(statement)
        return None if broken is None else errors.refusal(broken)

    async def _dispatch(self, execution: StatementExecution, statement: Statement) -> bool:
        controls = statement.transaction is not None and self._session.transaction is not None
        if (controls or shows_version(statement)) and not execution.simple and not execution.is_trivial:
            preparation = execution.preparation
            if preparation is not None and not await self._passthrough.forward_preparation(preparation):
                return False
            execution = execution.without_preparation
        kind, last = execution.frames[-1]
        portal = messages.execute_parts(last)[0] if kind == FrontendMessage.EXECUTE else b""
        if statement.transaction is not None and execution.frames[0][0] == FrontendMessage.EXECUTE:
            execution = simple_execution(statement)  # its portal was bound outside of a transaction
        if statement.transaction == "BEGIN":
            if not await self._control.begin(execution):
                return False
            self._session.statements.portals.lose(portal)
            return True
        if statement.transaction == "COMMIT":
            return await self._control.commit(execution)
        if statement.transaction == "ROLLBACK":
            return await self._control.rollback(execution)
        if is_local(statement):
            return await self._local.run(execution, statement)
        unchecked = statement.outside_transaction or self._only_reads_on(execution, statement)
        if unchecked or is_plain(statement):
            result = await self._passthrough.read(execution, unchecked=unchecked)
            if result is not ReadResult.MAY_WRITE:
                return result is ReadResult.SUCCEEDED
        elif statement.kind is Kind.SESSION:
            return await self._passthrough.configure(execution, statement)
        return await self._executor.run(execution, statement)

    def _only_reads_on(self, execution: StatementExecution, statement: Statement) -> bool:
        """Return whether a statement has done its work already and only returns more of its rows.

        A plain read has not: the next row may call a function that writes.
        """
        if not execution.continues_portal or statement.locks or is_plain(statement):
            return False
        portal, _ = messages.execute_parts(execution.frames[-1][1])
        return self._session.statements.portals.has_begun(portal)


def _ends_transaction(statement: Statement | None) -> bool:
    return statement is not None and statement.transaction in _ENDING and not statement.findings


def _unknown_name(kind: bytes, raw: bytes) -> ServerMessage:
    if kind == FrontendMessage.BIND:
        return errors.unknown_statement(messages.bind_parts(raw)[1])
    if kind == FrontendMessage.EXECUTE:
        return errors.unknown_portal(messages.execute_parts(raw)[0])
    target, name = messages.target_parts(raw)
    return (errors.unknown_portal if target == ObjectKind.PORTAL else errors.unknown_statement)(name)
