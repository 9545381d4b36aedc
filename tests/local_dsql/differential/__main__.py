"""Play one seed, or many: `python -m tests.local_dsql.differential --seed 3`."""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing

from local_dsql import LocalCluster
from tests.local_dsql.differential.families import FAMILIES
from tests.local_dsql.differential.fuzz import Fuzz, Options
from tests.local_dsql.differential.plain_postgres import PlainPostgres
from tests.local_dsql.differential.transcript import Mismatch
from tests.support.timing import TooSlowError


def main() -> None:
    """Play seeds and print what was compared, and each mismatch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="so many, from --seed on")
    parser.add_argument("--statements", type=int, default=2500)
    parser.add_argument("--family", action="append", help="only these, by the beginning of their names")
    parser.add_argument("--without", default="", help="kinds of shapes to leave out, separated by commas")
    parser.add_argument("--no", default="", help="leave out: cuts, ddl, bursts, touches")
    given = parser.parse_args()
    families = [f for f in FAMILIES if not given.family or f.name.startswith(tuple(given.family))]
    left_out = {name: False for name in given.no.split(",") if name}
    options = Options(families, frozenset(given.without.split(",")), **left_out)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(PlainPostgres()) as server,
        LocalCluster(folder, dialect="2026-09") as cluster,
    ):
        for seed in range(given.seed, given.seed + given.seeds):
            began = time.monotonic()
            fuzz = Fuzz(cluster, server, seed, options)
            try:
                fuzz.play(given.statements)
            except (Mismatch, TooSlowError) as error:
                print(f"MISMATCH, seed {seed}: {error}\n")
            finally:
                fuzz.close()
            seconds = time.monotonic() - began
            print(
                f"seed {seed}: {fuzz.transcript.statements} statements in {seconds:.1f} s, longest"
                f" {fuzz.transcript.longest * 1000:.0f} ms, {dict(fuzz.done)}"
            )


if __name__ == "__main__":
    main()
