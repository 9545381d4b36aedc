"""Location of the database of a process, and the error if there is none."""

from __future__ import annotations

import ssl
import warnings
from typing import TYPE_CHECKING

import pytest

from blocks_runtime.contract import Variables
from blocks_runtime.database.location import locate
from blocks_runtime.database.target import AMAZON_ROOTS, Target
from blocks_runtime.errors import ConfigurationError
from blocks_settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

CLUSTER = Variables("abc.dsql.us-east-1.on.aws", "us-east-1", "blocks_main_read_write")
KEYS = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"}
LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "fn"}


def test_variables_of_the_stack(tmp_path: Path) -> None:
    location = locate("main", CLUSTER.environment("main") | KEYS | LAMBDA, tmp_path)
    assert location.target == Target(
        "abc.dsql.us-east-1.on.aws", 5432, "us-east-1", "blocks_main_read_write", str(AMAZON_ROOTS)
    )
    assert location.credentials().access_key_id == "A"


def test_variables_of_the_local_deploy(tmp_path: Path) -> None:
    variables = Variables("localhost:50123", "us-east-1", "r", "/somewhere/ca.pem")
    target = locate("my-db", variables.environment("my-db") | KEYS, tmp_path).target
    assert (target.host, target.port, target.ca) == ("localhost", 50123, "/somewhere/ca.pem")


COMPLETE = CLUSTER.environment("main") | LAMBDA
WITHOUT_ROLE = {name: value for name, value in COMPLETE.items() if name != "BLOCKS_MAIN_ROLE"}
BROKEN = {
    "inside Lambda without any": (LAMBDA, "BLOCKS_MAIN_ENDPOINT is not set"),
    "one missing": (WITHOUT_ROLE, "BLOCKS_MAIN_ROLE is not set"),
    "one missing on a laptop": ({"BLOCKS_MAIN_ENDPOINT": "x"}, "BLOCKS_MAIN_REGION is not set"),
    "another database's": (CLUSTER.environment("other") | LAMBDA, "BLOCKS_MAIN_ENDPOINT is not set"),
}  # fmt: skip


@pytest.mark.parametrize(("environ", "says"), BROKEN.values(), ids=BROKEN)
def test_a_missing_variable_is_named_with_a_remedy(
    environ: dict[str, str], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        locate("main", environ, tmp_path)
    assert "grant_connect" in str(caught.value)


def test_a_bad_port_names_the_variable(tmp_path: Path) -> None:
    variables = Variables("localhost:http", "us-east-1", "r")
    with pytest.raises(ConfigurationError, match=r"not a port.*BLOCKS_MAIN_ENDPOINT"):
        locate("main", variables.environment("main"), tmp_path)


@pytest.mark.parametrize("mark", [".blocks", "cdk.json"])
def test_the_local_folder_belongs_to_the_project(mark: str, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / mark).mkdir()
    assert Settings.of(deep, {}).folder_of("My-Db") == tmp_path / ".blocks" / "local" / "my_db"


@pytest.mark.parametrize(("libpq", "direct"), [(160009, False), (170000, True), (180006, True)])
def test_connection_parameters(libpq: int, direct: bool) -> None:
    parameters = Target.of(CLUSTER).parameters("token", libpq)
    assert parameters["sslmode"] == "verify-full"
    assert parameters["sslrootcert"] == str(AMAZON_ROOTS)
    assert parameters["user"] == "blocks_main_read_write"
    assert parameters["dbname"] == "postgres"
    assert ("sslnegotiation" in parameters) is direct
    assert "options" not in parameters, "DSQL refuses most settings at start-up"


def test_the_roots_are_certificates() -> None:
    context = ssl.create_default_context(cafile=str(AMAZON_ROOTS))
    names = {dict(entry[0] for entry in each["subject"])["commonName"] for each in context.get_ca_certs()}  # type: ignore[misc]
    assert {f"Amazon Root CA {n}" for n in (1, 2, 3, 4)} <= names


def test_a_local_database_that_does_not_start_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the wheel is installed without its extra, which brings PostgreSQL."""
    monkeypatch.setenv("LOCAL_DSQL_POSTGRES_BIN", str(tmp_path))
    (tmp_path / "cdk.json").touch()
    says = "(?s)no variable BLOCKS_MAIN_ENDPOINT, and the local database does not start: .*set the variables"
    with pytest.raises(ConfigurationError, match=says):
        locate("main", {}, tmp_path)


def test_a_new_local_database_beside_others_warns_of_a_typo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_DSQL_POSTGRES_BIN", str(tmp_path))  # so that none is made
    (tmp_path / ".blocks" / "local" / "main").mkdir(parents=True)
    with (
        pytest.warns(UserWarning, match="'mian' is new and empty; this project also has 'main'"),
        pytest.raises(ConfigurationError),
    ):
        locate("mian", {}, tmp_path)
    with warnings.catch_warnings(), pytest.raises(ConfigurationError):
        warnings.simplefilter("error")
        locate("main", {}, tmp_path)
