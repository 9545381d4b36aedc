"""A reset of a database: its migrations and grants are made again, in whatever stack they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks_cli.local import LocalDeployment
from tests.support.handler_app import HandlerApp, Thing
from tests.support.recording_report import RecordingReport

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.json_value import Json

NEEDS = {"Shop": ["Data"], "Other": ["Data"]}


def custom(app: HandlerApp, type_name: str, token: Json, **properties: Json) -> Json:
    """Return a custom resource of a type, with more properties."""
    resource = app.resource(Thing())
    assert isinstance(resource, dict)
    assert isinstance(resource["Properties"], dict)
    return {"Type": type_name, "Properties": {**resource["Properties"], **properties, "ServiceToken": token}}


def templates(app: HandlerApp) -> dict[str, Json]:
    """Return two databases with migrations in a stack, and grants on each in others."""
    token: Json = {"Fn::ImportValue": "token"}
    own: Json = {"Fn::GetAtt": ["Handler", "Arn"]}
    data: dict[str, Json] = {**app.resources({})}
    outputs: dict[str, Json] = {"Token": {"Value": own, "Export": {"Name": "token"}}}
    grants: dict[str, Json] = {}
    for name in ("one", "two"):
        endpoint: Json = {"Fn::GetAtt": [name, "Endpoint"]}
        data[name] = {"Type": "AWS::DSQL::Cluster", "Properties": {"DeletionProtectionEnabled": False}}
        data[f"{name}Migrations"] = custom(app, "Custom::DsqlMigrations", own, Endpoint=endpoint)
        outputs[name] = {"Value": endpoint, "Export": {"Name": name}}
        grant: Json = {"Database": name, "Endpoint": {"Fn::ImportValue": name}, "Roles": []}
        grants[f"{name}Grant"] = custom(app, "Custom::DsqlGrant", token, Grant=grant)
    return {
        "Data": {"Resources": data, "Outputs": outputs},
        "Shop": {"Resources": grants},
        "Other": {"Resources": {"Own": grants["oneGrant"]}},
    }


CHANGED = ["Update oneMigrations", "Update oneGrant", "Update Own"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "noted"),
    [((), ()), (("Data",), ("Shop", "Other")), (("Shop",), ("Other",))],
    ids=["all stacks", "the database's stack alone", "one stack"],
)
def test_migrations_and_grants_of_a_reset_database_are_made_again(
    tmp_path: Path, first: tuple[str, ...], noted: tuple[str, ...]
) -> None:
    app, report = HandlerApp(tmp_path), RecordingReport()
    assembly = app.assembly(templates(app), NEEDS)
    with LocalDeployment.deploy(assembly, tmp_path) as running:
        app.events()
        endpoint = running.outputs["Data"]["one"]
        next(each for each in running.clusters if each.endpoint() == endpoint).reset()
        LocalDeployment.deploy(assembly, tmp_path, stacks=first, report=report).close()
        for name in ("Shop", "Other"):
            found = [
                note for note in report.notes if note.startswith(f"stack {name}: functions with a grant on")
            ]
            assert bool(found) is (name in noted)
        LocalDeployment.deploy(assembly, tmp_path).close()
        assert sorted(event.split(" 1>")[0] for event in app.events() if "Update" in event) == sorted(CHANGED)
        LocalDeployment.deploy(assembly, tmp_path).close()
        assert app.events() == []
