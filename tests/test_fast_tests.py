"""`make test-fast`: which tests are left out before their module is imported, and before they run."""

from __future__ import annotations

import pytest

from tests.support.fast_tests import SERVERS, TESTS, Fixtures, is_left_out, of_folder

OUTER = Fixtures(frozenset({"cluster"}))

FIXTURE = """
@pytest.fixture({options})
def {name}({parameters}){rest}
"""


def fixture(name: str, parameters: str = "", rest: str = " -> None:\n    pass", options: str = "") -> str:
    return FIXTURE.format(name=name, parameters=parameters, rest=rest, options=options)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (fixture("running", rest=" -> Iterator[LocalCluster]:\n    yield made()"), {"cluster", "running"}),
        (fixture("stopped", rest=" -> Path:\n\n    LocalCluster(x)"), {"cluster", "stopped"}),
        (fixture("table", rest=" -> Table:\n    return request.getfixturevalue(name)"), {"cluster", "table"}),
        (fixture("a", "b: int") + fixture("b", "cluster: object"), {"cluster", "a", "b"}),
        (fixture("cluster"), set()),
        (fixture("cluster", "cluster: object"), {"cluster"}),
        (
            fixture("plain", rest=" -> Path:\n    return path\n\n\ndef f() -> LocalCluster: ...\n"),
            {"cluster"},
        ),
    ],
)
def test_fixtures_that_need_a_server(source: str, names: set[str]) -> None:
    assert OUTER.with_those_of(source).names == names


@pytest.mark.parametrize(
    ("source", "left_out"),
    [
        ("def test_a(cluster: C) -> None: ...\nasync def test_b(x: int, cluster: C) -> None: ...", True),
        ("def test_a(cluster: C) -> None: ...\ndef test_b(x: int) -> None: ...", False),
        (
            "def test_a(\n    cluster: C,\n) -> None: ...\nclass TestB:\n    def test_b(self) -> None: ...",
            False,
        ),
        ('@pytest.mark.parametrize("cluster", [1])\ndef test_a(cluster: int) -> None: ...', False),
        ('@pytest.mark.parametrize(("x", "cluster"), [])\ndef test_a(cluster: int) -> None: ...', False),
        ("def helper(cluster: C) -> None: ...", False),
        (fixture("a", "cluster: C", options="autouse=True") + "def test_a() -> None: ...", True),
        (fixture("a", "cluster: C") + "def test_a() -> None: ...", False),
    ],
)
def test_a_module_is_left_out_if_each_test_asks_for_a_server(source: str, left_out: bool) -> None:
    assert OUTER.with_those_of(source).all_ask(source) is left_out


def test_the_names_of_servers_are_those_of_fixtures() -> None:
    """A type that is renamed would be missed, and its tests be imported to be skipped."""
    modules = "\n".join(
        path.read_text("utf-8") for path in TESTS.rglob("*.py") if path.name != "fast_tests.py"
    )
    assert [name for name in SERVERS if name not in modules] == []
    assert {"dsql", "dsql_cluster", "dynamo"} <= of_folder(TESTS.parent).names


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("local_dsql/proxy/test_portals.py", True),
        ("local_dsql/engine/test_units.py", False),
        ("blocks_runtime/atomic_table/test_versions.py", True),
        ("blocks_runtime/atomic_table/test_units.py", False),
        ("blocks", True),
        ("local_dsql/proxy/cases_wire.py", False),
        ("blocks_cli/assembly/test_cloud.py", True),
        ("lambda_peering/test_second_opinion.py", True),
    ],
)
def test_modules_of_this_tree(name: str, left_out: bool) -> None:
    assert (TESTS / name).exists()
    assert is_left_out(TESTS / name) is left_out
