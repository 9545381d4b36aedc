"""No statement of a client runs with rights that the client does not have, in any state of its transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Client, Laboratory

_TOKENS = ("null", "''", "'x'", "repeat('0', 32)")

ATTEMPTS = (
    "select pg_read_file('postgresql.conf')",
    "select pg_read_binary_file('global/pg_control')",
    "select pg_ls_dir('.')",
    "select pg_stat_file('PG_VERSION')",
    "select pg_ls_waldir()",
    "select pg_ls_logdir()",
    "copy (select 1) to program 'true'",
    "copy t from program 'echo 1'",
    "copy (select 1) to '/nowhere/x'",
    "copy t from '/etc/passwd'",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/nowhere/x')",
    "set role postgres",
    "set role local_dsql_engine",
    "set role local_dsql_control",
    "set role pg_read_all_data",
    "set role pg_write_all_data",
    "set role other",
    "set local role local_dsql_engine",
    "set session authorization postgres",
    "set session authorization other",
    "select set_config('role', 'postgres', false)",
    "select set_config('session_authorization', 'postgres', false)",
    "select set_config('session_replication_role', 'replica', true)",
    "select postgres_set_config('session_replication_role', 'replica', true)",
    "set session_replication_role = replica",
    "update pg_settings set setting = 'replica' where name = 'session_replication_role'",
    "alter system set fsync = on",
    "alter role app superuser",
    "alter role app createrole",
    "alter role app set session_replication_role = 'replica'",
    "alter role local_dsql_control superuser",
    "create role x superuser",
    "create role x",
    "grant pg_read_server_files to app",
    "grant pg_read_all_data to app",
    "grant local_dsql_engine to app",
    "grant postgres to app",
    "create extension plpgsql",
    "create function f() returns int language c as 'libc', 'system'",
    "create function f() returns int language internal as 'pg_read_file'",
    "create function f() returns int language sql set role = 'local_dsql_engine' as 'select 1'; select f()",
    "create function f() returns int language sql set session_replication_role = 'replica' as 'select 1'; select f()",
    "load '/nowhere/x.so'",
    "alter database postgres owner to app",
    "update pg_index set indisunique = false",
    "update pg_authid set rolsuper = true",
    "select rolpassword from pg_authid",
    "select * from pg_shadow",
    "table private",
    "delete from private",
    "select * from local_dsql.job",
    "insert into local_dsql.iam_mapping values (1, 'arn', 10, 10)",
    "create function local_dsql_engine.f() returns int language sql as 'select 1'",
    "create or replace function local_dsql_engine.check_token(token text) returns void language sql as 'select'",
    "drop function local_dsql_engine.check_token(text)",
    "alter function local_dsql_engine.check_token(text) owner to app",
    "alter function local_dsql_engine.write_rows(text, text, tid[], anyarray) security invoker",
    "drop schema local_dsql_engine cascade",
    "create table local_dsql_engine.t()",
    "select pg_reload_conf()",
    "select pg_switch_wal()",
    "select pg_create_restore_point('x')",
    "select pg_promote()",
    "select pg_terminate_backend(pg_backend_pid() + 1)",
    "select pg_cancel_backend(pg_backend_pid() + 1)",
    "select pg_logical_emit_message(true, '', 'x')",
    "select pg_create_physical_replication_slot('x')",
    "select pg_create_logical_replication_slot('x', 'pgoutput')",
    "select pg_drop_replication_slot('local_dsql_log')",
    "checkpoint",
    "alter table t owner to postgres",
    "select pg_current_logfile()",
    "select * from pg_hba_file_rules",
    "select * from pg_file_settings",
    "select * from pg_locks",
    "select * from pg_stat_activity",
    "create subscription s connection 'x' publication p",
    "create foreign data wrapper f",
    "create event trigger e on ddl_command_start execute function f()",
    "create tablespace x location '/nowhere'",
    "reset session authorization; select pg_read_file('x')",
    "reset role; table private",
    "discard all; table private",
    "select pg_ls_tmpdir()",
    "select pg_ls_archive_statusdir()",
    "select pg_ls_replslotdir('local_dsql_log')",
    "select pg_read_file('postgresql.conf', 0, 10, true)",
    "select pg_logical_slot_get_changes('local_dsql_log', null, null)",
    "select pg_replication_slot_advance('local_dsql_log', pg_current_wal_insert_lsn())",
    "select pg_replication_origin_create('x')",
    "select pg_wal_replay_pause()",
    "select pg_backup_start('x')",
    "select pg_rotate_logfile()",
    "select pg_log_backend_memory_contexts(pg_backend_pid() + 1)",
    "select pg_stat_reset()",
    "select pg_stat_reset_shared('wal')",
    "select pg_export_snapshot()",
    "select query_to_xml('table private', true, true, '')",
    "select pg_advisory_lock(1)",
    "select lo_creat(0)",
    "select * from pg_config",
    "select * from pg_shmem_allocations",
    "select * from pg_backend_memory_contexts",
    "select * from pg_statistic",
    "select * from pg_subscription",
    "select currtid2('private', '(0,1)')",
    "alter table private owner to app",
    "grant select on private to app",
    "alter default privileges for role other grant all on tables to app",
    "truncate private",
    "lock table private in access exclusive mode",
    "create rule r as on select to private do also delete from private",
    "create policy p on private",
    "comment on table private is 'x'",
    "create index on private (s)",
    "alter table private add column x int",
    "drop table private",
    "create view v as table private; table v",
    "create function f() returns setof private language sql security definer as 'table private'; select f()",
    "copy private to stdout",
    "explain analyze delete from private",
    "merge into private p using t on p.s = 'x' when not matched then insert values ('x')",
    "create table x as table private",
    "select * from private for update",
    "insert into private values ('x') on conflict do nothing",
    "create trigger x before insert on private for each row execute function suppress_redundant_updates_trigger()",
    "do $$begin perform pg_read_file('x'); end$$",
    "alter role other rename to x",
    "drop role other",
    "reassign owned by other to app",
    "drop owned by other",
    "grant other to app",
    "create publication p for all tables",
    "alter extension plpgsql set schema public",
    "set log_min_messages = 'panic'",
    "set wal_compression = on",
    *(f"select local_dsql_engine.check_token({token})" for token in _TOKENS),
    *(
        f"select local_dsql_engine.write_rows({token}, 'delete from private', null, null::int[], 0)"
        for token in _TOKENS
    ),
    *(
        f"select local_dsql_engine.write_rows_as({token}, 10, 'public', 'delete from private', null, null::int[], 0)"
        for token in _TOKENS
    ),
    *(
        f"select local_dsql_engine.read_rows({token}, null::t, 'select array_agg(t) from t', null)"
        for token in _TOKENS
    ),
    *(
        f"select local_dsql_engine.set_unique({token}, array(select indexrelid from pg_index), false)"
        for token in _TOKENS
    ),
    *(f"select local_dsql_engine.store_rows_only({token}, 't'::regclass)" for token in _TOKENS),
    *(f"select local_dsql_engine.skip_checks({token}, 't'::regclass, true)" for token in _TOKENS),
)

LEAST = 150
STATES = ("autocommit", "in a transaction", "suspended", "doomed")
WHO = "select session_user, current_user, current_setting('is_superuser'), current_setting('session_replication_role')"


async def _enter(state: str, app: Client, other: Client) -> None:
    if state == "autocommit":
        return
    await app.ok("begin", "update t set n = 1 where id = 1")
    if state == "suspended":
        await other.ok("begin", "update t set n = 2", "rollback")
    if state == "doomed":
        await other.ok("update t set n = 2")
        await app.ok("update t set n = 3")


@pytest.mark.parametrize("state", STATES)
def test_no_attempt_gains_anything(laboratory: Laboratory, state: str) -> None:
    async def run() -> list[object]:
        await laboratory.server.make_roles("app", "other")
        app, other = await laboratory.client("app"), await laboratory.client("other")
        await app.ok("create table t(id int primary key, n int)", "insert into t values (1, 0), (2, 0)")
        await app.ok("grant all on t to other")
        await other.ok("create table private(s text)", "insert into private values ('secret')")
        gained: list[object] = []
        for attempt in ATTEMPTS:
            await _enter(state, app, other)
            for part in attempt.split("; "):
                reply = await app.run(part)
            if not reply.sqlstate:
                gained.append((attempt, reply))
            if app.session.transaction is not None:
                await app.run("rollback")
            who = (await app.run(WHO)).rows
            if who != [("app", "app", "off", "origin")]:
                gained.append((attempt, who))
        assert (await other.run("table private")).rows == [("secret",)]
        return gained

    assert len(ATTEMPTS) >= LEAST
    assert laboratory.run(run(), timeout=120) == []


def test_code_of_an_owner_runs_as_the_owner(laboratory: Laboratory) -> None:
    """A CHECK that writes is evaluated once more by a resumption: as the owner of the table, and never committed."""

    async def run() -> None:
        await laboratory.server.make_roles("app", "other")
        app, other = await laboratory.client("app"), await laboratory.client("other")
        await app.ok(
            "create table spy(who text, login text)",
            "create function checks(i int) returns boolean language sql as"
            " $$insert into spy select current_user, session_user; select true$$",
            "create table t(id int primary key, x int check (checks(x)))",
            "grant all on t, spy to other",
        )
        await other.ok("begin", "insert into t values (1, 1)")
        await app.ok("begin")
        assert not (await app.run("insert into t values (1, 2)")).sqlstate
        await app.ok("rollback")
        seen = (await other.run("select distinct who, login from spy")).rows
        assert set(seen) <= {("other", "other"), ("app", "other")}, seen
        assert (await other.run("commit")).short in ("COMMIT", "40001")
        assert (await app.run("select count(*) from spy")).rows in ([("0",)], [("1",)])

    laboratory.run(run())


def test_an_owner_can_spoil_only_its_own_helper(laboratory: Laboratory) -> None:
    async def run() -> None:
        await laboratory.server.make_roles("app")
        app, other = await laboratory.client("app"), await laboratory.client("app")
        await app.ok(
            "create function positive(i int) returns boolean immutable language sql as 'select i > 0'",
            "create table t(id int primary key, x int check (positive(x)))",
            "insert into t values (1, 1)",
            "begin",
            "update t set x = 2",
        )
        await other.ok("begin", "update t set x = 3", "rollback")
        assert (await app.run("select x from t")).rows == [("2",)]
        await app.ok("rollback")
        (name,) = (
            await app.run(
                "select p.oid::regprocedure from pg_proc p join pg_roles r on r.oid = proowner"
                " where proname like 'as\\_%' and rolname = 'app'"
            )
        ).rows
        await app.ok(f"alter function {name[0]} security invoker")
        await app.ok("begin", "update t set x = 2")
        await other.ok("begin", "update t set x = 3", "rollback")
        assert (await app.run("select x from t")).rows == [("2",)]
        assert (await app.run("commit")).short == "COMMIT"

    laboratory.run(run())


def test_the_token_is_in_no_query_text(laboratory: Laboratory) -> None:
    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)")
        await one.ok("begin", "update t set n = 1")
        await other.ok("begin", "update t set n = 2", "rollback")
        await one.ok("select * from t")
        superuser = await laboratory.server.connect("postgres")
        token = laboratory.engine.services.token.value
        assert token is not None
        texts = [row[0] for row in await superuser.rows("select query from pg_stat_activity")]
        superuser.close()
        assert texts
        assert not any(token.decode() in str(text) for text in texts)
        assert (await one.run("select pg_get_functiondef('local_dsql_engine.check_token'::regproc)")).rows[0][
            0
        ].find(token.decode()) < 0  # type: ignore[union-attr]

    laboratory.run(run())
