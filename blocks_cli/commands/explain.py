"""`blocks explain`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.migrations import options
from blocks_cli.migrations.database import connected
from blocks_cli.migrations.target import find_target

if TYPE_CHECKING:
    from blocks_cli.json_value import Json
    from blocks_cli.migrations.target_options import TargetOptions
    from blocks_runtime import Plan, PlanNode, Sql
    from blocks_runtime.database.session import Session
    from lambda_migrator.admin import AdminConnection

STANDARD_INPUT = "-"


@click.command()
@click.argument("query")
@click.option(
    "--analyze", is_flag=True, help="Execute the query and measure it; its changes are rolled back."
)
@click.option("--text", "as_text", is_flag=True, help="Print the plan as the server does.")
@options.target_options
@as_json
def explain(query: str, analyze: bool, as_text: bool, target_options: TargetOptions, as_json: bool) -> None:
    """Show the plan of a query as a tree, with the index that would help.

    \b
      blocks explain "SELECT id FROM accounts WHERE owner = 'Ana'" --analyze
      blocks explain - < query.sql

    Warns of full scans, filters after a scan, look-ups that a covering index saves, and sorts on disk. On a cluster
    --analyze also prints the estimated cost in DPU. - is standard input.
    """
    statement = _one_statement(sys.stdin.read() if query == STANDARD_INPUT else query)
    with connected(find_target(target_options)) as admin:
        plan = _explained(admin, statement, analyze)
    if as_json:
        console.print_json(_as_json(plan))
    else:
        click.echo(str(plan) if as_text else plan.tree)


_EXPLAINED = "pass one SELECT, INSERT, UPDATE or DELETE"


def _one_statement(text: str) -> Sql:
    """Return the one statement of a text. With two, EXPLAIN would be of the first, and the second would be executed."""
    from blocks_runtime.database.fragments import Sql
    from dsql_dialect import parse, profile

    statements = parse(text, profile()).statements
    if len(statements) != 1:
        raise CommandError(
            f"{len(statements)} statements",
            "a plan is of one statement",
            _EXPLAINED,
        )
    return Sql((text,))


class _RolledBack(Exception):
    """Ends the transaction of an EXPLAIN ANALYZE."""


def _explained(admin: AdminConnection, statement: Sql, analyze: bool) -> Plan:
    from blocks_runtime.database.plan_advice import advised, facts_query
    from blocks_runtime.database.plans import explaining, plan
    from blocks_runtime.errors import ConnectionFailed, DatabaseError

    lines: list[str] = []

    def run(session: Session) -> None:
        rows = session.run(explaining(statement, analyze)).all()
        lines[:] = [line for row in rows for line in row.values()]
        raise _RolledBack

    try:
        admin.write(run)
    except _RolledBack:
        pass
    except ConnectionFailed:
        raise
    except DatabaseError as error:
        state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
        raise CommandError(
            "the query was refused", f"{error.args[0]}{state}", f"correct the query; {_EXPLAINED}"
        ) from None
    found = plan(lines)
    query = facts_query(found)
    return advised(found, [tuple(row.values()) for row in admin.read(query)] if query else [])


def _as_json(plan: Plan) -> Json:
    dpu: Json = None
    if plan.dpu is not None:
        dpu = {
            "compute": plan.dpu.compute,
            "read": plan.dpu.read,
            "write": plan.dpu.write,
            "total": plan.dpu.total,
        }
    warnings: Json = [{"kind": each.kind, "text": each.text, "index": each.index} for each in plan.warnings]
    return {"plan": _node(plan.root), "summary": [*plan.summary], "dpu": dpu, "warnings": warnings}


def _node(node: PlanNode) -> Json:
    return {
        "label": node.label,
        "estimatedRows": node.estimated_rows,
        "rows": node.rows,
        "loops": node.loops,
        "milliseconds": node.total_time,
        "details": [*node.details],
        "children": [_node(each) for each in node.children],
    }
