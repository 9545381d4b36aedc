"""Every entry of the list has its test: here, elsewhere by name, or a reason why there is nothing to test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]

LIST = {"V": 62, "C": 1, "K": 11, "M": 4, "S": 9, "E": 27, "G": 26, "X": 7, "R": 4, "D": 10, "Q": 9, "P": 18}
LIST |= {"Y": 6, "A": 11, "B": 3, "N": 11}
"""Number of entries of each group."""

ELSEWHERE = {
    "G09 G10": "lambda_migrator/test_migrate.py::test_applies_everything_once",
    "G11": "blocks/test_migrations.py::test_fails_naming_every_place_rule_and_remedy",
    "G12 G13 G22": "local_dsql/proxy/test_jobs.py::test_index_is_invalid_until_its_job_is_done",
    "G14": "local_dsql/proxy/test_jobs.py::test_unique_builds",
    "G15": "local_dsql/proxy/test_jobs.py::test_nothing_to_do_is_no_job",
    "G20 G21": "dsql_dialect/test_prepass.py::*",
    "X07": "blocks_runtime/test_database.py::test_refusals",
    "D01": "blocks/test_database.py::test_an_id_alone_makes_a_database",
    "D02 D03 D04": "blocks/test_removal.py::test_the_table_of_removal_policies",
    "D05": "blocks/test_grants.py::test_every_grantee_with_a_role_is_granted_this_cluster_only",
    "D06": "blocks/test_grants.py::test_a_function_gets_variables_layer_and_order",
    "D08": "blocks/test_database.py::test_the_migrator_has_exactly_the_permissions_it_needs",
    "D09": "blocks/test_database.py::test_the_custom_resource_has_the_properties_that_the_migrator_reads",
    "D10": "blocks/test_database.py::test_the_custom_resource_changes_with_what_it_depends_on",
    "Q05 Q06 Q07 Q08 Q09": "blocks_runtime/test_database.py::test_plain_text_is_refused_before_anything_is_sent",
    "A01": "end_to_end/test_readme.py::test_the_smallest_stack_runs_the_smallest_handler",
}

NOT_HERE = {
    "G16": "V28: a partial index is for dialect 2026-09",
    "G17": "V59: DSQL has no index that is not ASYNC",
    "G18": "V56, the same statement",
    "G19": "V18, the same statement",
    "G23 G24 G25 G26": "traps of a database compiled to WebAssembly; the local one is PostgreSQL itself",
    "R01 R02 R03 R04": "a register of blocks, which Blocks for TypeScript keeps for its telemetry",
    "D07": "an output that nothing reads; the endpoint is an attribute of the construct",
    "S05": "V49, the same statement",
    "P09": "S09, the same text",
    "P17": "psql's own commands are not SQL, and a migration that holds one is refused with its place",
    "Y01 Y02 Y03 Y04 Y05 Y06": "an adapter for a query builder of TypeScript; SQLAlchemy's has tests of its own",
    "A10 A11": "the same query builder",
    "B01 B02 B03 N01 N02 N03 N04 N05 N07 N08 N09 N10": "sign-in and screens of example applications",
}


def entries(text: str) -> set[str]:
    """Return the entries that a text names, ranges such as `e01_to_e07` included."""
    found = {f"{group.upper()}{number}" for group, number in re.findall(r"\b([A-Za-z])(\d\d)[a-h]?\b", text)}
    names = re.findall(r"def test_((?:[a-z]\d\d_(?:to_)?)+)", text)
    for name in names:
        steps = re.findall(r"([a-z])(\d\d)(_to_)?", name)
        for at, (group, number, to) in enumerate(steps):
            last = int(steps[at + 1][1]) if to else int(number)
            found |= {f"{group.upper()}{each:02}" for each in range(int(number), last + 1)}
    return found


def test_every_entry_is_accounted_for() -> None:
    written = "".join(
        path.read_text(encoding="utf-8") for path in HERE.glob("*.py") if path.name != Path(__file__).name
    )
    covered = entries(written) | entries(" ".join((*ELSEWHERE, *NOT_HERE)))
    everything = {f"{group}{number:02}" for group, most in LIST.items() for number in range(1, most + 1)}
    assert everything - covered == set()
    assert not entries(" ".join(ELSEWHERE)) & entries(" ".join(NOT_HERE))


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE)
def test_the_tests_elsewhere_exist(place: str) -> None:
    file, _, name = place.partition("::")
    text = (PROJECT / "tests" / file).read_text(encoding="utf-8")
    assert "def test_" in text if name == "*" else f"def {name}(" in text
