"""`blocks dialect`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.migrations import options
from blocks_cli.migrations.database import under_test
from blocks_cli.migrations.folder import find_folder
from blocks_cli.migrations.target import find_target
from blocks_cli.written_files import replace_file
from dsql_dialect.profiles import NAMES, NEWEST, PROFILES, profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_cli.json_value import Json
    from blocks_cli.migrations.target_options import TargetOptions
    from dsql_dialect.migrations.changes import Change, Use
    from local_dsql.conformance.rule_examples import Observation
    from local_dsql.conformance.session import ClusterUnderTest


@click.group()
def dialect() -> None:
    """Compare the SQL dialects with each other, with migrations, and with a cluster.

    \b
      blocks dialect diff 2026-09 2026-11 --migrations migrations/
      blocks dialect probe --endpoint abc.dsql.eu-central-1.on.aws
    """


@dialect.command()
@click.option(
    "--against",
    "name",
    type=click.Choice(NAMES),
    metavar="NAME",
    help=f"Dialect to compare with: {', '.join(NAMES)} (default: that of a local database, else {NEWEST.name}).",
)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="File for the answers (TOML)."
)
@click.option("--rules-only", is_flag=True, help="Leave out the recorded cases, which take a minute.")
@click.option("--yes", is_flag=True, help="Ask a cluster on AWS without a question.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if an answer differs.")
@options.target_options
@as_json
@click.pass_context
def probe(
    context: click.Context,
    name: str | None,
    output: Path | None,
    rules_only: bool,
    yes: bool,
    exit_code: bool,
    target_options: TargetOptions,
    as_json: bool,
) -> None:
    """Ask a database what the dialect's rules and the recordings claim, and print what differs.

    \b
      blocks dialect probe --endpoint abc.dsql.eu-central-1.on.aws --output facts.toml
      blocks dialect probe --against portable --rules-only

    Each rule has a refused and an accepted statement. They run in transactions that are rolled back. The probe creates
    objects for them (schemas blocks_probe, s, y and app, roles app and joe, tables fact_…) and drops them at the end:
    use a cluster without data of yours.
    """
    target = find_target(target_options)
    if target.folder is None and not yes:
        click.confirm(f"Create and drop objects on {target.endpoint}?", abort=True, err=True)
    with under_test(target) as cluster:
        name = name or _own_dialect(cluster)
        observations = _observations(cluster, name)
        differing = [] if rules_only else _recordings(cluster)
    changed = [each for each in observations if each.differs]
    unsettled = [each for each in observations if each.is_unsettled]
    if output is not None:
        _write(output, observations, target.place, name)
    if as_json:
        console.print_json(_as_json(name, changed, unsettled, differing))
    else:
        _print(changed, unsettled, differing)
    number = len(changed) + len(differing)
    console.print_message(
        f"{len(observations)} examples of rules in dialect {name}: {number or 'no'} difference{'s' * (number != 1)}, "
        f"{len(unsettled)} not settled",
        "yellow" if number else "green",
    )
    if number and exit_code:
        context.exit(ExitCode.PENDING)


def _own_dialect(cluster: ClusterUnderTest) -> str:
    return next((each.name for each in PROFILES if each.as_of.isoformat() == cluster.as_of), NEWEST.name)


def _observations(cluster: ClusterUnderTest, name: str) -> list[Observation]:
    from local_dsql.conformance.rule_examples import examples, observe

    asked, answered = examples(profile(name)), []
    for each in observe(cluster, asked):
        answered.append(each)
        console.progress(f"asked    {len(answered)} of {len(asked)} examples")
    console.clear()
    return answered


def _recordings(cluster: ClusterUnderTest) -> list[tuple[str, str]]:
    """Return the recorded cases that are answered otherwise, with the differences."""
    from local_dsql.conformance.facts_reader import cases
    from local_dsql.conformance.known import KNOWN_DIVERGENCES
    from local_dsql.conformance.runner import Runner

    known = KNOWN_DIVERGENCES if cluster.local else {}
    recorded = [each for each in cases() if each.id not in known]
    runner, found = Runner(cluster, recorded), []
    try:
        for number, case in enumerate(recorded, 1):
            console.progress(f"asked    {number} of {len(recorded)} recorded cases")
            found += [(case.id, each) for each in runner.run(case, case.protocol)]
    finally:
        runner.close()
        console.clear()
    return found


def _write(output: Path, observations: Sequence[Observation], place: str, name: str) -> None:
    from local_dsql.conformance.facts_writer import facts_file

    today = datetime.now(UTC).date()
    replace_file(output, facts_file(observations, day=today, endpoint=place, dialect=name))
    console.print_message(f"written  {console.display_path(output)}")


def _print(
    changed: Sequence[Observation], unsettled: Sequence[Observation], differing: Sequence[tuple[str, str]]
) -> None:
    for each in (*changed, *unsettled):
        click.echo(f"{each.example.rule.id}: {each.verdict.value}")
        click.echo(f"    {each.example.sql}")
        click.echo(f"    rule:     {each.example.expected or 'accepted'}")
        click.echo(f"    database: {each.answer}")
    for case, difference in differing:
        click.echo(f"recorded case {case}: answered otherwise")
        for line in difference.splitlines():
            click.echo(f"    {line}")


def _as_json(
    name: str,
    changed: Sequence[Observation],
    unsettled: Sequence[Observation],
    differing: Sequence[tuple[str, str]],
) -> Json:
    rules: Json = [
        {
            "rule": each.example.rule.id,
            "sql": each.example.sql,
            "verdict": each.verdict.name.lower(),
            "expected": str(each.example.expected or "accepted"),
            "answer": str(each.answer),
        }
        for each in (*changed, *unsettled)
    ]
    cases: Json = [{"case": case, "difference": difference} for case, difference in differing]
    return {"dialect": name, "rules": rules, "recordings": cases}


@dialect.command()
@click.argument("old", type=click.Choice(NAMES), metavar="OLD")
@click.argument("new", type=click.Choice(NAMES), metavar="NEW")
@click.option(
    "--migrations",
    "folder",
    type=click.Path(path_type=Path),
    help="Also search these migrations for work-arounds.",
)
@as_json
def diff(old: str, new: str, folder: Path | None, as_json: bool) -> None:
    """Print what a newer dialect answers otherwise, and the work-arounds that it makes unnecessary.

    \b
      blocks dialect diff portable 2026-09 --migrations migrations/
      blocks dialect diff 2026-09 2026-11

    In migrations it finds work-arounds that SQL shows: columns x_id without a foreign key to a table x, generated
    columns with an index, and columns of type json.
    """
    from dsql_dialect.migrations.changes import changes, uses

    before, after = profile(old), profile(new)
    if before.as_of >= after.as_of:
        raise CommandError(
            f"{old} {new}: not in order",
            f"{old} is not older than {new}",
            f"run `blocks dialect diff {new} {old}`"
            if before != after
            else f"name two of: {', '.join(NAMES)}",
        )
    found = changes(before, after)
    accepted = [each for each in found if each.after is None]
    others = [each for each in found if each.after is not None]
    used = [] if folder is None else uses(find_folder(folder), [each.rule for each in accepted])
    if as_json:
        console.print_json(_diff_json(accepted, others, used))
        return
    for change in accepted:
        click.echo(f"{change.since}  {change.rule.id}: {change.rule.refused}")
        click.echo(f"            instead of: {change.rule.remedy}")
    for change in others:
        click.echo(f"{change.since}  {change.rule.id}: {change.rule.refused}")
        click.echo(f"            {change.after}; before: {change.before or 'accepted'}")
    for use in used:
        click.echo(f"{console.display_path(use.path)}:{use.line}: {use.text}")
    counts = [f"{new} accepts {_constructs(len(accepted))} that {old} refuses"]
    if others:
        counts.append(f"{len(others)} {'has' if len(others) == 1 else 'have'} another answer")
    if folder is not None:
        counts.append(f"{len(used) or 'no'} work-around{'s' * (len(used) != 1)} found")
    console.print_message("; ".join(counts), "green")


def _constructs(number: int) -> str:
    return f"{number} construct{'s' * (number != 1)}"


def _diff_json(accepted: Sequence[Change], others: Sequence[Change], used: Sequence[Use]) -> Json:
    lifted: Json = [
        {
            "rule": each.rule.id,
            "since": str(each.since),
            "example": each.rule.refused,
            "insteadOf": each.rule.remedy,
        }
        for each in accepted
    ]
    answers: Json = [
        {
            "rule": each.rule.id,
            "since": str(each.since),
            "example": each.rule.refused,
            "answer": each.after,
            "before": each.before or "accepted",
        }
        for each in others
    ]
    places: Json = [
        {"rule": each.rule.id, "file": str(each.path), "line": each.line, "text": each.text} for each in used
    ]
    return {"accepted": lifted, "otherAnswers": answers, "workArounds": places}
