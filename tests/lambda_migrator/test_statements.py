"""Every statement that the migrator sends is accepted by the oldest dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks_runtime.contract import Access
from dsql_dialect import parse, profile
from lambda_migrator import grants, jobs, journal, lease, ledger, ledger_table, probes, provision, tables
from lambda_migrator.grants import CurrentGrants, DatabaseObject, Grant
from lambda_migrator.journal import JournalUpdate, State
from migration_manifest import Json, Migration, Statement

if TYPE_CHECKING:
    from blocks_runtime import Sql

MIGRATION = Migration(1, "001_x", "c", (Statement("SELECT 1", "ddl", 1, 1, None, None, False),))
PROBE: dict[str, Json] = {
    "schema": "s",
    "table": "t",
    "name": "n",
    "role": "r",
    "arn": "arn:x",
    "present": True,
}
THINGS = (
    DatabaseObject("SCHEMA", ("app",)),
    DatabaseObject("TABLE", ("app", "t")),
    DatabaseObject("SEQUENCE", ("public", "s")),
)
ROW = ledger.Row(
    "main/a/b",
    "main",
    (Grant("blocks_main_read_only", Access.READ_ONLY, "arn:x"),),
    ledger.State.LIVE,
    "s",
    "o",
    "r",
)
MAPPED = frozenset({("blocks_main_read_only", "arn:gone")})


def probe_questions() -> dict[str, Sql]:
    asked = {kind: probes.presence(PROBE | {"object": kind}) for kind in probes.KINDS}
    asked["function with arguments"] = probes.presence(
        PROBE | {"object": "function", "arguments": ["integer", "text"]}
    )
    asked["validated"] = probes.presence(PROBE | {"object": "constraint", "validated": True})
    return {f"probe: {kind}": question for kind, question in asked.items() if question is not None}


def grant_statements() -> dict[str, Sql]:
    wanted = [Grant(f"blocks_main_{access.value.lower()}", access, "arn:x") for access in Access]
    planned = grants.plan_grants("main", wanted, CurrentGrants(mappings=MAPPED, objects=THINGS))
    return {f"grants: {each.text}": each for each in planned}


SENT: dict[str, Sql] = {
    **{f"table {name}": statement for name, statement in tables.CREATE.items()},
    **{f"column {name}": statement for name, statement in tables.ADDED_COLUMNS.items()},
    "existing tables": tables.EXISTING,
    "existing columns": tables.COLUMNS,
    "find lease": lease.FIND,
    "fence": lease.fence_query(1),
    "take free lease": lease.take_statement(None, "me"),
    "take over lease": lease.take_statement(7, "me"),
    "prolong lease": lease.extend_statement(1, lease.TERM),
    "read journal": journal.READ,
    "record applied": journal.record_statement([(MIGRATION, JournalUpdate(0, 1, State.APPLIED))], "me"),
    "record started": journal.record_statement([(MIGRATION, JournalUpdate(0, 0, State.STARTED))], "me"),
    "advance": journal.advance_statement(1, [(MIGRATION, JournalUpdate(0, 1, State.APPLIED))], "me"),
    "settle": journal.overwrite_statement(MIGRATION, State.APPLIED, 1, "me"),
    "forget": journal.delete_statement(1),
    "note job": journal.store_job_statement(MIGRATION, "j"),
    "read ledger": ledger_table.READ,
    "write ledger": ledger_table.store_statement(ROW),
    "prune ledger": ledger_table.PRUNE,
    "roles": provision.ROLES,
    "mappings": provision.MAPPINGS,
    "relations": provision.RELATIONS,
    "table privileges": provision.TABLE_PRIVILEGES,
    "schema privilege": provision.schema_privilege("r", "s"),
    "sequence privilege": provision.sequence_privilege("r", ("public", "s"), "USAGE"),
    "index is valid": jobs.index(PROBE, None).valid,
    "job of an index": jobs.index(PROBE, None).job,
    "job by id": jobs.index(PROBE, "j").job,
    "constraint is valid": jobs.validation(PROBE | {"object": "constraint", "validated": True}, None).valid,
    "job of a constraint": jobs.validation(PROBE | {"object": "constraint"}, None).job,
    **probe_questions(),
    **grant_statements(),
}


@pytest.mark.parametrize("statement", SENT.values(), ids=SENT)
def test_accepted_by_every_cluster(statement: Sql) -> None:
    script = parse(statement.text, profile("portable"))
    assert [finding.message for finding in script.findings] == []
    assert len(script.statements) == 1, "one DDL statement a transaction"
