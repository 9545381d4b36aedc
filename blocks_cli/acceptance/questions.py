"""Statements whose answer on a cluster is not known, or known from one source alone, as data.

Each question is asked of the cluster and of a local database of the newest dialect. The claim is what the local
database answers, so no answer is written here.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from blocks_cli.acceptance.check import Check, Finding, compared
from dsql_dialect.limits import BYTES_PER_KEY, ROWS_PER_TRANSACTION
from local_dsql.conformance.cases import Refusal, Result
from local_dsql.conformance.session import retry_on_catalog_change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_cli.acceptance.check import Subject
    from local_dsql.conformance.cases import Answer
    from local_dsql.conformance.session import ClusterUnderTest, LibpqSession

SCHEMA = "blocks_acceptance"
"""The schema of all objects of the questions; it is dropped after each."""

ROLE = "blocks_acceptance"
"""The database role of the questions about roles."""


class Beside(str):
    """A statement of a second session, in autocommit; its answer is not compared."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Question:
    """Statements to compare, after statements that prepare them.

    `ACCOUNT` in a statement is the account. The search path is `SCHEMA`; statements of the second session name it.
    """

    id: str
    proves: str
    asked: tuple[str, ...]
    given: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    settles: tuple[str, ...] = ()

    def check(self) -> Check:
        """Return the question as a check."""
        return Check(self.id, self.proves, self.run, self.settles)

    def run(self, subject: Subject) -> Finding:
        """Ask both, and compare."""
        return compared(
            self._answer(subject.cluster, subject.account), self._answer(subject.local, subject.account)
        )

    def _answer(self, cluster: ClusterUnderTest, account: str) -> str:
        session = cluster.connect()
        try:
            session.run(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            for statement in (f"CREATE SCHEMA {SCHEMA}", f"SET search_path TO {SCHEMA}", *self.given):
                session.prepare(statement)
            return "; ".join(self._answers(cluster, session, account))
        finally:
            session.run("ROLLBACK")
            for statement in (f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE", *self.dropped):
                retry_on_catalog_change(partial(session.run, statement))
            session.close()

    def _answers(self, cluster: ClusterUnderTest, session: LibpqSession, account: str) -> Iterator[str]:
        for statement in self.asked:
            if isinstance(statement, Beside):
                with contextlib.closing(cluster.connect()) as other:
                    other.prepare(statement)
            else:
                yield _ask(session, statement.replace("ACCOUNT", account))


def _ask(session: LibpqSession, statement: str) -> str:
    return ", ".join(map(_short, retry_on_catalog_change(lambda: session.run(statement))))


def _short(answer: Answer) -> str:
    if isinstance(answer, Result) and answer.columns == ("job_id",):
        return "a job"
    text = str(answer)
    return text if isinstance(answer, Refusal) or len(text) < 200 else f"{text[:200]}…"


_T = "CREATE TABLE t (id int PRIMARY KEY, v text)"
_U = "CREATE TABLE u (id int PRIMARY KEY, v text)"
_ROW = "INSERT INTO t VALUES (1, 'a')"
_WIDE = ", ".join(f"c{number} int" for number in range(1, 255))


def _function(body: str, returns: str = "int") -> str:
    return f"CREATE FUNCTION f() RETURNS {returns} LANGUAGE plpgsql AS $$ {body} $$"


def _procedure(body: str) -> str:
    return f"CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ {body} $$"


def _text(length: int) -> str:
    """Return an expression of a text of this length that does not compress."""
    return f"(SELECT left(string_agg(md5(i::text), ''), {length}) FROM generate_series(1, 100) i)"


_CALL = "SELECT f()"
_TOO_MANY = ROWS_PER_TRANSACTION + 1

QUESTIONS = (
    Question(
        "for-update-in-insert-select",
        "INSERT … SELECT may lock the rows that it reads with FOR UPDATE",
        ("BEGIN", "INSERT INTO u SELECT id, v FROM t FOR UPDATE", "ROLLBACK"),
        given=(_T, _U, _ROW),
    ),
    Question(
        "for-update-read-only",
        "whether FOR UPDATE in a READ ONLY transaction is an error or a warning",
        ("BEGIN READ ONLY", "SELECT id FROM t FOR UPDATE", "ROLLBACK"),
        given=(_T, _ROW),
        settles=("for-update-in-read-only",),
    ),
    Question(
        "for-update-wait-policies",
        "NOWAIT and SKIP LOCKED are accepted",
        (
            "SELECT id FROM t FOR UPDATE NOWAIT",
            "SELECT id FROM t FOR UPDATE SKIP LOCKED",
        ),
        given=(_T, _ROW),
    ),
    Question(
        "repeated-iam-grant",
        "SQLSTATE and text of an AWS IAM GRANT that exists, and of a REVOKE of one that does not",
        (
            f"AWS IAM GRANT {ROLE} TO 'arn:aws:iam::ACCOUNT:role/blocks-acceptance'",
            f"AWS IAM GRANT {ROLE} TO 'arn:aws:iam::ACCOUNT:role/blocks-acceptance'",
            f"AWS IAM REVOKE {ROLE} FROM 'arn:aws:iam::ACCOUNT:role/blocks-acceptance'",
            f"AWS IAM REVOKE {ROLE} FROM 'arn:aws:iam::ACCOUNT:role/blocks-acceptance'",
        ),
        given=(f"CREATE ROLE {ROLE} WITH LOGIN",),
        dropped=(f"DROP ROLE IF EXISTS {ROLE}",),
        settles=("repeated-iam-grant",),
    ),
    Question(
        "reset-of-parameters",
        "RESET and TO DEFAULT are accepted for parameters that SET refuses",
        ("RESET enable_seqscan", "SET statement_timeout TO DEFAULT", "RESET max_parallel_workers"),
        settles=("reset-of-all-parameters",),
    ),
    Question(
        "set-config-jit",
        "the answer to set_config('jit', …), which asyncpg sends",
        ("SELECT set_config('jit', 'off', false)",),
        settles=("set-config-jit",),
    ),
    Question(
        "synchronous-index",
        "CREATE INDEX without ASYNC is refused for an empty table, whatever the parameter says",
        ("SET disable_sync_create_index = off", "CREATE INDEX i ON t (v)"),
        given=(_T,),
        settles=("synchronous-index",),
    ),
    Question(
        "plpgsql-exception",
        "a handler in PL/pgSQL works",
        (_function("BEGIN RETURN 1 / 0; EXCEPTION WHEN division_by_zero THEN RETURN 7; END"), _CALL),
        settles=("plpgsql-unknown",),
    ),
    Question(
        "plpgsql-execute",
        "EXECUTE and a cursor in PL/pgSQL work",
        (
            _function(
                "DECLARE c CURSOR FOR SELECT id FROM t; n int; m int; BEGIN "
                "EXECUTE 'SELECT 1' INTO n; OPEN c; FETCH c INTO m; CLOSE c; RETURN n + m; END"
            ),
            _CALL,
        ),
        given=(_T, _ROW),
        settles=("plpgsql-unknown",),
    ),
    Question(
        "plpgsql-ddl",
        "DDL in a body of PL/pgSQL is refused, and with which text",
        (_function("BEGIN CREATE TABLE made (id int); RETURN 1; END"), _CALL),
        settles=("plpgsql-unknown",),
    ),
    Question(
        "plpgsql-procedures",
        "a procedure may COMMIT, be granted, commented and dropped",
        (
            _procedure("BEGIN INSERT INTO t VALUES (2, 'b'); COMMIT; END"),
            "CALL p()",
            "SELECT count(*) FROM t",
            "COMMENT ON PROCEDURE p() IS 'a note'",
            "DROP PROCEDURE p()",
        ),
        given=(_T,),
        settles=("plpgsql-unknown",),
    ),
    Question(
        "limit-within-a-body",
        "whether a handler sees the error of the row limit",
        (
            _function(
                f"BEGIN FOR i IN 1..{_TOO_MANY} LOOP INSERT INTO t VALUES (i, ''); END LOOP; RETURN 0; "
                "EXCEPTION WHEN OTHERS THEN RETURN 1; END"
            ),
            _CALL,
        ),
        given=(_T,),
        settles=("limit-at-statement-end",),
    ),
    Question(
        "undone-change",
        "whether a change that a block has undone is compared at COMMIT",
        (
            "BEGIN",
            "SELECT v FROM t WHERE id = 2",
            Beside(f"UPDATE {SCHEMA}.t SET v = 'of another' WHERE id = 1"),
            _CALL,
            "UPDATE t SET v = 'last' WHERE id = 2",
            "COMMIT",
        ),
        given=(
            _T,
            "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
            _function(
                "BEGIN BEGIN UPDATE t SET v = 'undone' WHERE id = 1; RAISE EXCEPTION 'undo'; "
                "EXCEPTION WHEN OTHERS THEN NULL; END; RETURN 1; END"
            ),
        ),
        settles=("undone-change-conflicts",),
    ),
    Question("set-role", "SET ROLE and SET SESSION CHARACTERISTICS", (
        "SET ROLE none", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    )),
    Question(
        "grant-on-all-tables",
        "GRANT … ON ALL TABLES IN SCHEMA",
        (f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {ROLE}",),
        given=(_T, f"CREATE ROLE {ROLE} WITH LOGIN"),
        dropped=(f"DROP ROLE IF EXISTS {ROLE}",),
    ),
    Question(
        "bare-numeric",
        "the digits that numeric without precision keeps",
        (
            "INSERT INTO n VALUES (1, 1234567890123456789.123456789)",
            "SELECT v FROM n",
        ),
        given=("CREATE TABLE n (id int PRIMARY KEY, v numeric)",),
    ),
    Question(
        "columns-of-a-table",
        "the most columns of a table: 255 to 257",
        tuple(
            f"CREATE TABLE wide{more} (id int PRIMARY KEY, {_WIDE}{', more int' * (more > 0)}"
            f"{', most int' * (more > 1)})"
            for more in range(3)
        ),
    ),
    Question(
        "size-of-a-key",
        "the longest primary key",
        tuple(f"INSERT INTO k VALUES ({_text(BYTES_PER_KEY * quarters // 4)})" for quarters in (3, 4, 5, 8, 12)),
        given=("CREATE TABLE k (id text PRIMARY KEY)",),
    ),
    Question(
        "alter-index-rename",
        "ALTER INDEX … RENAME, and two commands in one ALTER TABLE",
        (
            "ALTER INDEX t_pkey RENAME TO t_key",
            "ALTER TABLE t ADD COLUMN a int, ADD COLUMN b int",
        ),
        given=(_T,),
    ),
    Question(
        "server-version",
        "the major version of PostgreSQL",
        ("SELECT current_setting('server_version_num')::int / 10000 AS major",),
    ),
)  # fmt: skip
