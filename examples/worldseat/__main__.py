"""The commands of WorldSeat: `serve` runs both Regions here, `burst` measures bursts, `pictures` draws the page."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_cli.deploy_report import ConsoleReport
from blocks_runtime.shared.explained_error import ExplainedError
from examples.worldseat.client import BACKENDS, SEATS, Client, RequestFailed, Result
from examples.worldseat.local import PLENTY, LocalWorldSeat, serve
from examples.worldseat.regions import HOME, PEER, SIZES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent
LONGEST = 60


class Duration(click.ParamType[float]):
    """A duration such as `30ms` or `0.5s`, in seconds."""

    name = "duration"

    def convert(
        self, value: object, parameter: click.Parameter | None, context: click.Context | None
    ) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", str(value))
        seconds = float(found[1]) * (0.001 if found[2] == "ms" else 1) if found else -1
        if not 0 <= seconds <= LONGEST:
            self.fail(
                f"{value!r} is no duration from 0 to {LONGEST} s; write 30ms or 0.5s", parameter, context
            )
        return seconds


LATENCY = click.option(
    "--commit-latency", type=Duration(), default="30ms", show_default=True, help="Added to each COMMIT."
)
DELAY = click.option(
    "--replication-delay",
    type=Duration(),
    default="500ms",
    show_default=True,
    help="From a write into a replica to its arrival in the other Region.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """WorldSeat: one seat, sixty buyers, two Regions."""


@main.command("serve")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=HERE, help="Keeps the deployment in .blocks."
)
@LATENCY
@DELAY
def serve_command(folder: Path, commit_latency: float, replication_delay: float) -> None:
    """Run both Regions on this machine, and print the URL of the page. Ctrl-C ends all processes."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    click.echo("synthesize both stacks and deploy them on this machine", err=True)
    app = LocalWorldSeat(
        folder,
        commit_latency=commit_latency,
        replication_delay=replication_delay,
        report=ConsoleReport(),
    )
    with _errors(), app, app.switch() as switch:
        click.echo(f"{app.urls[HOME]}/#switch={switch}")
        click.echo("Ctrl-C ends it", err=True)
        with contextlib.suppress(KeyboardInterrupt):
            serve(app, folder)


@main.command()
@click.option("--buyers", "-b", type=click.IntRange(1, 60), multiple=True, default=SIZES)
@click.option("--seats", type=click.IntRange(1, len(SEATS)), default=1, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--backend", type=click.Choice(BACKENDS), multiple=True, default=BACKENDS)
@click.option("--stop", type=click.Choice((HOME, PEER)), help="Stop this Region in the middle of each burst.")
@click.option("--url", help="URL of a deployed stack. Default: both Regions on this machine.")
@LATENCY
@DELAY
def burst(
    buyers: Sequence[int],
    seats: int,
    rounds: int,
    backend: Sequence[str],
    stop: str | None,
    url: str | None,
    commit_latency: float,
    replication_delay: float,
) -> None:
    """Let buyers of both Regions buy the same seats at once, and print what the ledger says."""
    if url and stop:
        raise click.UsageError("--stop works on this machine only; leave out --url")
    with _errors(), contextlib.ExitStack() as stack:
        app = None if url else stack.enter_context(_temporary(commit_latency, replication_delay))
        client = Client.discover(url.rstrip("/")) if url else Client(app.urls if app else {})
        click.echo(HEAD)
        for name in backend:
            run(client, name, max(buyers), seats, 1, None, None)  # opens the connections; not counted
            for number in buyers:
                results = run(client, name, number, seats, rounds, app, stop)
                click.echo(line(results))
                for error in sorted({each.error for each in results if each.error}):
                    click.echo(f"  error  {error}", err=True)


@main.command()
@click.option(
    "--folder", type=click.Path(path_type=Path), default=HERE / "pictures", show_default="pictures/"
)
@click.option("--buyers", type=click.Choice(SIZES), default=SIZES[-1], show_default=True)
@click.option("--url", help="URL of a running app. Default: both Regions on this machine.")
@LATENCY
def pictures(folder: Path, buyers: int, url: str | None, commit_latency: float) -> None:
    """Run the page in a headless Chromium, and store pictures of it at three sizes."""
    from examples.worldseat.browser import (
        take_pictures,
    )  # needs playwright, which only the tests need otherwise

    with _errors(), contextlib.ExitStack() as stack:
        page = url or stack.enter_context(_temporary(commit_latency, 0.5)).urls[HOME]
        for path in take_pictures(page, folder, buyers):
            click.echo(f"{path}   {path.stat().st_size:,} bytes")


def run(
    client: Client,
    backend: str,
    buyers: int,
    seats: int,
    rounds: int,
    app: LocalWorldSeat | None,
    stop: str | None,
) -> list[Result]:
    """Run bursts one after the other; `stop` is a Region that is stopped in the middle of each."""
    results = []
    for _ in range(rounds):
        under_way = at_the_end = None
        if app is not None and stop is not None:
            under_way, at_the_end = lambda: app.stop_region(stop), lambda: app.start_region(stop)
        results.append(client.burst(backend, buyers, seats, under_way=under_way, at_the_end=at_the_end))
    return results


_COLUMNS = (
    *(
        ("back end", 18),
        ("buyers", 7),
        ("seats", 6),
        ("rounds", 7),
        ("sold", 6),
        ("oversold", 9),
        ("lost", 5),
    ),
    *(("unknown", 8), ("failed", 7), ("conflicts", 10), ("retries", 8), ("p50 ms", 8), ("p99 ms", 8)),
    ("agree", 6),
)
HEAD = "".join(
    f"{name:<{width}}" if not n else f"{name:>{width}}" for n, (name, width) in enumerate(_COLUMNS)
)


def line(results: Sequence[Result]) -> str:
    """Return a line of the table: sums over all rounds."""
    first = results[0]
    commits = [each for result in results for each in result.commits]
    cells = (
        *(first.backend, first.buyers, first.seats, len(results)),
        *(sum(getattr(each, name) for each in results) for name in ("sold", "oversold", "lost", "unknown")),
        *(sum(getattr(each, name) for each in results) for name in ("failed", "conflicts", "retries")),
        *(f"{each:.1f}" for each in percentiles(commits)),
        "yes" if all(each.agree for each in results) else "NO",
    )
    return "".join(
        f"{cell:<{width}}" if not n else f"{cell:>{width}}"
        for n, (cell, (_, width)) in enumerate(zip(cells, _COLUMNS, strict=True))
    )


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the 50th and the 99th percentile."""
    if len(values) < 2:
        return (values[0], values[0]) if values else (0.0, 0.0)
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


@contextlib.contextmanager
def _temporary(commit_latency: float, replication_delay: float) -> Iterator[LocalWorldSeat]:
    """Run both Regions in a temporary folder, without rate limits that would slow a measurement down."""
    with (
        tempfile.TemporaryDirectory(prefix="worldseat-", ignore_cleanup_errors=True) as folder,
        _variables(WORLDSEAT_BUYS=PLENTY, WORLDSEAT_BURSTS=PLENTY),
        LocalWorldSeat(
            Path(folder), commit_latency=commit_latency, replication_delay=replication_delay
        ) as app,
    ):
        yield app


@contextlib.contextmanager
def _variables(**values: str) -> Iterator[None]:
    """Set environment variables, which the synth reads."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Print errors that say what to do, and those of files, without a traceback."""
    try:
        yield
    except (ExplainedError, RequestFailed, OSError) as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
