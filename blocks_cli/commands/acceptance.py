"""`blocks acceptance`."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.written_files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_cli.acceptance.check import Check
    from blocks_cli.acceptance.checks import Outcome
    from blocks_cli.acceptance.report import Report
    from blocks_cli.acceptance.stack import Place, ThrowawayStack
    from local_dsql.conformance.session import ClusterUnderTest

_COLOURS = {"HOLDS": "green", "MEASURED": "green", "DIFFERS": "yellow", "UNSETTLED": "cyan", "FAILED": "red"}


@click.command()
@click.option("--profile", metavar="NAME", help="Profile of the AWS configuration.")
@click.option("--region", metavar="NAME", help="Region of the stack (default: from the AWS configuration).")
@click.option("--peer", metavar="NAME", help="Second Region, for a database in two; needs --witness.")
@click.option("--witness", metavar="NAME", help="Witness Region of a database in two Regions.")
@click.option(
    "--runtime", metavar="NAME", help="Runtime of the functions, such as python3.13 (default: the newest)."
)
@click.option("--only", multiple=True, metavar="CHECK", help="Run this check only; may be repeated.")
@click.option(
    "--list", "listing", is_flag=True, help="List the checks and what each would prove, and do nothing."
)
@click.option("--local", is_flag=True, help="Rehearse on a temporary local database, without AWS.")
@click.option("--remove", is_flag=True, help="Only delete what an earlier run has left behind.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="File for the report (Markdown)."
)
@click.option(
    "--price", type=click.FloatRange(min=0), metavar="USD", help="Price of a million DPU in the Region."
)
@click.option("--yes", is_flag=True, help="Deploy without a question.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if an answer differs.")
@as_json
@click.pass_context
def acceptance(
    context: click.Context,
    profile: str | None,
    region: str | None,
    peer: str | None,
    witness: str | None,
    runtime: str | None,
    only: tuple[str, ...],
    listing: bool,
    local: bool,
    remove: bool,
    output: Path | None,
    price: float | None,
    yes: bool,
    exit_code: bool,
    as_json: bool,
) -> None:
    """Check on AWS what only AWS can settle, in a throwaway stack, and write a report for an issue.

    \b
      blocks acceptance --list
      blocks acceptance --profile sandbox --region us-east-1 --output report.md
      blocks acceptance --profile sandbox --region us-east-1 --peer us-east-2 --witness us-west-2

    Deploys the stack BlocksAcceptance with the CDK command line, runs the checks, and deletes the stack, also after
    Ctrl-C or a failure. The account must be bootstrapped for the CDK. The report has no account, cluster or host name.
    """
    _check_options(only, peer, witness, region, local)
    if listing:
        _list(as_json)
        return
    if local:
        report = _rehearse(only)
    else:
        stack = _stack(profile, region, peer or "", witness or "", runtime or "")
        if remove:
            _remove(stack)
            return
        report = _accept(stack, only, price, yes)
    if output is not None:
        replace_file(output, report.markdown())
        console.print_message(f"written  {console.display_path(output)}")
    if as_json:
        console.print_json(report.json())
    console.print_message(report.summary(), "yellow" if report.differing else "green")
    _check_left(report)
    if report.interrupted:
        context.exit(ExitCode.INTERRUPTED)
    if report.failed:
        context.exit(ExitCode.MIGRATION_FAILED)
    if report.differing and exit_code:
        context.exit(ExitCode.PENDING)


def _check_options(
    only: tuple[str, ...], peer: str | None, witness: str | None, region: str | None, local: bool
) -> None:
    import difflib

    from blocks_cli.acceptance.checks import CHECKS

    names = [each.id for each in CHECKS]
    for name in only:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise CommandError(
                f"--only {name}: there is no such check",
                f"there are {len(names)} checks",
                f"did you mean {near[0]}?" if near else "list them with `blocks acceptance --list`",
            )
    if (peer is None) != (witness is None):
        given, missing = ("--peer", "--witness") if witness is None else ("--witness", "--peer")
        raise CommandError(
            f"{given} needs {missing}",
            "a database in two Regions has a witness in a third",
            f"pass {missing} as well",
        )
    if local and (region or peer):
        raise CommandError("--local and a Region", "the rehearsal does not ask AWS", "omit one of them")


def _list(as_json: bool) -> None:
    from blocks_cli.acceptance.checks import CHECKS

    if as_json:
        console.print_json(
            [{"id": each.id, "proves": each.proves, "settles": [*each.settles]} for each in CHECKS]
        )
        return
    width = max(len(each.id) for each in CHECKS)
    for each in CHECKS:
        click.echo(f"{each.id:{width}}  {each.proves}")


def _rehearse(only: tuple[str, ...]) -> Report:
    """Run the checks with one local database as the cluster, and another as the claims."""
    from blocks_cli.acceptance.check import Subject

    with _claims() as cluster, _claims() as claims:
        report = _report("a local database, without AWS")
        _run(report, Subject(cluster, claims), only)
    return report


@contextlib.contextmanager
def _claims() -> Iterator[ClusterUnderTest]:
    """Run a temporary local database of the newest dialect, whose answers are the claims of this release."""
    import tempfile

    from dsql_dialect.profiles import NEWEST
    from local_dsql import LocalCluster
    from local_dsql.conformance.session import ClusterUnderTest

    with tempfile.TemporaryDirectory(prefix="blocks-acceptance-") as folder:
        with LocalCluster(folder, dialect=NEWEST.name) as cluster:
            yield ClusterUnderTest.at(cluster.dsn())


def _report(place: str) -> Report:
    from blocks_cli.acceptance.report import Report

    return Report(version("blocks-dsql"), datetime.now(UTC).date().isoformat(), place)


def _run(report: Report, subject: Any, only: tuple[str, ...]) -> None:
    from blocks_cli.acceptance.checks import run

    for outcome in run(subject, only, _show_start):
        report.outcomes.append(outcome)
        _show(outcome)


def _show_start(check: Check) -> None:
    console.progress(f"asked    {check.id}")


def _show(outcome: Outcome) -> None:
    console.clear()
    verdict = outcome.finding.verdict
    console.print_message(
        f"{verdict.value:16} {outcome.check.id}   {outcome.seconds:.1f} s", _COLOURS[verdict.name]
    )


def _stack(profile: str | None, region: str | None, peer: str, witness: str, runtime: str) -> ThrowawayStack:
    """Return the stack of this account and Region.

    Raises:
        CommandError: boto3, the Region or the credentials are missing.
    """
    from blocks_cli.acceptance.stack import Place, ThrowawayStack

    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise CommandError(
            "boto3 is not installed", "the checks ask AWS with boto3", "run `pip install 'blocks-dsql[aws]'`"
        ) from None
    if profile is not None:
        use_profile(profile)
    try:
        session = boto3.Session(region_name=region)
        if session.region_name is None:
            raise CommandError(
                "--region is missing", "the AWS configuration names none either", "pass --region"
            )
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            "the AWS account cannot be asked",
            str(error),
            "check the profile and sign in again (`aws sso login`)",
            ExitCode.CANNOT_CONNECT,
        ) from None
    return ThrowawayStack(Place(account, session.region_name, peer, witness, runtime), session)


def use_profile(profile: str) -> None:
    """Select a profile for this process, the CDK command line and the login to the cluster.

    Keys in the environment come before a profile for each of them, so they are removed.
    """
    from local_dsql.access import Credentials, credential_variables

    for name in credential_variables(Credentials("", "")):
        os.environ.pop(name, None)
    os.environ["AWS_PROFILE"] = profile


def _remove(stack: ThrowawayStack) -> None:
    stack.delete()
    report = _report(stack.place.region)
    report.left = stack.left_behind({})
    _check_left(report)
    console.print_message("nothing is left behind", "green")


def _check_left(report: Report) -> None:
    if report.left:
        raise CommandError(
            "the stack was not deleted completely",
            "\n".join(report.left),
            "run `blocks acceptance --remove` with the same options, or delete them in the console: they cost money",
            ExitCode.MIGRATION_FAILED,
        )


def _accept(stack: ThrowawayStack, only: tuple[str, ...], price: float | None, yes: bool) -> Report:
    """Ask for consent, deploy, run the checks, and delete the stack in any case."""
    stack.check()
    _ask_for_consent(stack.place, price, yes)
    place = stack.place
    report = _report(
        f"{place.region}{f' and {place.peer}' if place.peer else ''}, {place.runtime or 'newest runtime'}"
    )
    outputs: dict[str, str] = {}
    with _terminating():
        try:
            with _step(report, "cdk deploy"):
                outputs |= stack.deploy()
            _ask(report, stack, outputs, only)
        except KeyboardInterrupt:
            console.print_message("interrupted; the stack is deleted now", "yellow")
            report.interrupted = True
            report.steps.append(("interrupted", "the other checks were not asked", 0.0))
        except CommandError as error:
            _fail(report, error)
        finally:
            _clean_up(report, stack, outputs)
    return report


def _ask(report: Report, stack: ThrowawayStack, outputs: dict[str, str], only: tuple[str, ...]) -> None:
    from blocks_cli.acceptance.check import Subject

    place = stack.place
    with _claims() as claims:
        peer = None if not place.peer else _cluster(_peer_endpoint(stack, outputs), place.peer)
        subject = Subject(
            _cluster(outputs["Endpoint"], place.region),
            claims,
            place.account,
            place.region,
            outputs,
            stack.client,
            peer,
            place.peer,
        )
        _run(report, subject, only)


def _peer_endpoint(stack: ThrowawayStack, outputs: dict[str, str]) -> str:
    place = stack.place
    home = stack.client("dsql", place.region).get_cluster(identifier=outputs["Identifier"])
    other = next(arn for arn in home["multiRegionProperties"]["clusters"] if arn != home["arn"])
    found = stack.client("dsql", place.peer).get_cluster(identifier=other.rpartition("/")[2])
    return str(found["endpoint"])


def _cluster(endpoint: str, region: str) -> ClusterUnderTest:
    from blocks_cli.migrations.database import cluster_under_test
    from blocks_cli.migrations.target import DatabaseTarget

    return cluster_under_test(DatabaseTarget("acceptance", endpoint=endpoint, region=region))


def _ask_for_consent(place: Place, price: float | None, yes: bool) -> None:
    from blocks_cli.acceptance.checks import ESTIMATED_DPU
    from blocks_cli.acceptance.stack import NAME

    regions = f"{place.region} and {place.peer} (witness {place.witness})" if place.peer else place.region
    cost = f"up to {ESTIMATED_DPU:g} DPU for writes and reads, and what is computed; a few calls of functions"
    if price is not None:
        cost += f"; {ESTIMATED_DPU * price / 1e6:.6f} USD for these DPU"
    console.print_message(f"account  {place.account}")
    console.print_message(f"creates  stack {NAME} in {regions}: cluster, functions, roles, log groups")
    console.print_message(f"costs    {cost}")
    console.print_message("deletes  all of it at the end, also after Ctrl-C or a failure")
    if not yes:
        click.confirm("Deploy it?", abort=True, err=True)


def _clean_up(report: Report, stack: ThrowawayStack, outputs: dict[str, str]) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        with _step(report, "delete the stack"):
            stack.delete()
    except CommandError as error:
        _fail(report, error)
    try:
        report.left = stack.left_behind(outputs)
    except (BotoCoreError, ClientError) as error:
        report.left = [f"not known, AWS could not be asked: {error}"]


def _fail(report: Report, error: CommandError) -> None:
    console.print_error(error)
    report.failed = True
    report.steps.append((error.what, error.why, 0.0))


@contextlib.contextmanager
def _step(report: Report, name: str) -> Iterator[None]:
    console.print_message(f"{name} …")
    begin, result = time.monotonic(), "failed"
    try:
        yield
        result = "done"
    finally:
        report.steps.append((name, result, time.monotonic() - begin))


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    """Handle SIGTERM as Ctrl-C, so that the stack is deleted after it as well."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
