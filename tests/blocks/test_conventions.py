"""The conventions of CDK's L2 constructs, held over every public class: what awslint does for TypeScript."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

import blocks
from blocks import (
    AtomicTable,
    BackupPolicy,
    ConstructError,
    DatabaseBackup,
    DatabaseGrant,
    DatabaseGrants,
    DatabaseRole,
    DistributedDatabase,
    ImportedDatabase,
    ImportedTable,
    Migrator,
    MultiRegion,
    PeerCluster,
    Peering,
    TableGrants,
)
from blocks.database.migrator import MigratorOptions
from blocks.shared.permissions import Block

if TYPE_CHECKING:
    from constructs import Construct

CONSTRUCTS = [
    *(AtomicTable, DatabaseBackup, DatabaseGrant, DistributedDatabase, ImportedDatabase, ImportedTable),
    *(Migrator, PeerCluster, Peering),
]
VALUES = [BackupPolicy, DatabaseRole, MultiRegion]
SOURCES = sorted(Path(blocks.__file__).parent.rglob("*.py"))


def parameters(construct: type[Construct]) -> list[inspect.Parameter]:
    return list(inspect.signature(construct.__init__).parameters.values())


by_construct = pytest.mark.parametrize("construct", CONSTRUCTS, ids=lambda it: it.__name__)


def own_callables(owner: type) -> list[tuple[str, inspect.Signature]]:
    """Return the public methods of a class that are ours, CDK's left out, and its constructor."""
    found = []
    for name in dir(owner):
        attribute = inspect.getattr_static(owner, name)
        plain = attribute.__func__ if isinstance(attribute, (staticmethod, classmethod)) else attribute
        ours = (getattr(plain, "__module__", None) or "").startswith("blocks")
        if ours and inspect.isfunction(plain) and (name == "__init__" or not name.startswith("_")):
            found.append((name, inspect.signature(plain)))
    return found


SIGNATURES = [
    pytest.param(owner, name, signature, id=f"{owner.__name__}.{name}")
    for owner in [*CONSTRUCTS, *VALUES, DatabaseGrants, TableGrants]
    for name, signature in own_callables(owner)
    if name != "__init__" or owner not in VALUES  # their classes say what their fields are
]


@by_construct
def test_constructors_take_scope_and_id_and_then_names(construct: type[Construct]) -> None:
    _, scope, id, *options = parameters(construct)
    assert (scope.name, id.name) == ("scope", "id")
    assert options
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)  # the latter is a TypedDict
    assert all(option.kind in named for option in options)


@pytest.mark.parametrize("construct", [AtomicTable, DistributedDatabase])
def test_a_block_needs_nothing_but_an_id(construct: type[Construct]) -> None:
    for option in parameters(construct)[3:]:
        assert option.default is not inspect.Parameter.empty, option.name


@pytest.mark.parametrize(("owner", "name", "signature"), SIGNATURES)
def test_public_signatures_speak_of_constructs_and_units(
    owner: type, name: str, signature: inspect.Signature
) -> None:
    for parameter in signature.parameters.values():
        annotation = str(parameter.annotation)
        assert "Cfn" not in annotation, parameter
        assert not re.search(r"\bAny\b", annotation), parameter
        assert not re.search(r"_(seconds|minutes|ms|mb|mib)$", parameter.name), parameter
        assert name.startswith("from_") or not parameter.name.endswith("_arn"), parameter


@pytest.mark.parametrize(("owner", "name", "signature"), SIGNATURES)
def test_every_option_says_what_happens_without_it(
    owner: type, name: str, signature: inspect.Signature
) -> None:
    documented = " ".join((inspect.getdoc(inspect.getattr_static(owner, name)) or "").split())
    for parameter in signature.parameters.values():
        if parameter.default is not inspect.Parameter.empty:
            # What is said of a parameter ends where the next one's begins.
            others = "|".join(name for name in signature.parameters if name != parameter.name)
            own = re.search(rf"\b{parameter.name}: (.*?)(?= (?:{others}|Raises): |$)", documented)
            assert own, f"{parameter.name} is not documented"
            said = re.search(r"Default: (\w[^.]*)", own[1])
            assert said, f"{parameter.name} has no 'Default:'"
            assert said[1] != "None"


@pytest.mark.parametrize("construct", [*CONSTRUCTS, DatabaseGrants, TableGrants], ids=lambda it: it.__name__)
def test_attributes_are_read_only(construct: type) -> None:
    for name, attribute in inspect.getmembers_static(construct, lambda it: isinstance(it, property)):
        if attribute.fget.__module__.startswith("blocks"):
            assert attribute.fset is None, name


def test_grants_take_a_grantee_first_and_return_a_grant() -> None:
    for owner in (AtomicTable, DatabaseGrants, DistributedDatabase, TableGrants):
        for name, signature in own_callables(owner):
            if name.startswith(("grant", "connect", "actions", "read")):
                first = list(signature.parameters.values())[1]
                assert (first.name, first.annotation) == ("grantee", "iam.IGrantable"), name
                assert signature.return_annotation == "iam.Grant", name


@pytest.mark.parametrize(("owner", "name", "signature"), SIGNATURES)
def test_docstrings_begin_with_one_short_sentence(
    owner: type, name: str, signature: inspect.Signature
) -> None:
    del signature
    first = (inspect.getdoc(inspect.getattr_static(owner, name)) or "").partition("\n")[0]
    assert first.endswith((".", ";")) or len(first) <= 110, first
    assert first, name


def test_names_say_what_cdk_calls_it() -> None:
    """Units are in the types, keys and networks are constructs, and nothing is passed as an ARN."""
    expected = {
        "removal_policy": "RemovalPolicy",
        "encryption_key": "kms.IKey",
        "resource_policy": "iam.PolicyDocument",
        "migrator_timeout": "Duration",
        "migrator_memory": "Size",
        "migrator_log_group": "logs.ILogGroup",
        "migrator_role": "iam.IRole",
        "migrator_runtime": "lambda_.Runtime",
        "migrator_architecture": "lambda_.Architecture",
        "migrator_tracing": "lambda_.Tracing",
        "migrator_vpc": "ec2.IVpc",
    }
    annotations = inspect.signature(DistributedDatabase.__init__).parameters
    assert {name: str(annotations[name].annotation) for name in expected} == {
        name: f"{type} | None" for name, type in expected.items()
    }


def test_options_of_the_migrator_are_the_migrators_with_its_name_before_them() -> None:
    database = {
        name.removeprefix("migrator_"): str(parameter.annotation)
        for name, parameter in inspect.signature(DistributedDatabase.__init__).parameters.items()
        if name.startswith("migrator_")
    }
    migrator = {
        name: str(parameter.annotation)
        for name, parameter in inspect.signature(Migrator.__init__).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    assert database == migrator


def test_an_imported_cluster_is_migrated_with_the_same_options() -> None:
    options = inspect.signature(DistributedDatabase.__init__).parameters
    # A field of a TypedDict knows its annotation as a ForwardRef.
    fields = {name: field.__forward_arg__ for name, field in MigratorOptions.__annotations__.items()}
    assert fields == {
        name: str(option.annotation) for name, option in options.items() if name.startswith("migrator_")
    }


def test_an_imported_database_has_no_attributes_of_the_cluster() -> None:
    for name in ("deletion_protection", "encryption_key", "backup", "cluster", "add_to_resource_policy"):
        assert not hasattr(ImportedDatabase, name), name


def test_ids_of_warnings_are_stable() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES)
    page = (Path(__file__).parents[2] / "docs" / "construct.md").read_text(encoding="utf-8")
    found = re.findall(r'"(@blocks/[^"]+)"', text)
    ids = {each.replace("{block}", block) for each in found for block in get_args(Block)}
    assert (
        {id for id in ids if f"`{id}`" in page}
        == ids
        == {
            "@blocks/dsql:backupWithoutCopy",
            "@blocks/dsql:keyPolicyByHand",
            "@blocks/dsql:noMigrations",
            "@blocks/dsql:otherAccount",
            "@blocks/dsql:peerWithoutPolicy",
            "@blocks/dsql:permissionsByHand",
            "@blocks/dsql:roleMappingByHand",
            "@blocks/dsql:unknownRegionSet",
            "@blocks/dsql:variablesByHand",
            "@blocks/table:eventualReplication",
            "@blocks/table:otherAccount",
            "@blocks/table:permissionsByHand",
            "@blocks/table:variablesByHand",
        }
    )


def test_every_refusal_has_a_remedy() -> None:
    """ConstructError takes what, why and what to do; nothing else is raised on a wrong argument."""
    parameters = list(inspect.signature(ConstructError.__init__).parameters)
    assert parameters == ["self", "what", "why", "remedy"]
    for path in SOURCES:
        raised = set(re.findall(r"^\s+raise ([A-Z]\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))
        allowed = {
            *("ConstructError", "BundlingError", "PipError", "AttributeError", "ModuleNotFoundError"),
            *("NotImplementedError", "ArgumentTypeError"),
        }
        assert raised <= allowed, path


def test_names_are_those_of_the_alpha_module() -> None:
    alpha = {
        "cluster_arn",
        "cluster_endpoint",
        "cluster_identifier",
        "vpc_endpoint_service_name",
        "grant",
        "grant_connect",
        "grant_connect_admin",
        "from_cluster_attributes",
    }
    assert alpha <= set(dir(DistributedDatabase))


def test_every_public_name_can_be_imported() -> None:
    for name in vars(blocks)["__all__"]:
        value = getattr(blocks, name)
        assert inspect.isclass(value) or inspect.isfunction(value), name
        assert name in dir(blocks)
    with pytest.raises(AttributeError, match="module 'blocks' has no attribute 'Cluster'"):
        _ = blocks.Cluster  # type: ignore[attr-defined]


def test_bundling_is_imported_without_the_cdk() -> None:
    heavy = {"aws_cdk", "jsii", "constructs", "postgast", "psycopg"}
    code = f"import sys, blocks, blocks.bundling; print(sorted({heavy!r} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_template_depends_on_aws_network_or_randomness(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for forbidden in (".from_lookup(", "import boto3", "import uuid", "import random", "urllib", "datetime"):
        assert forbidden not in text, forbidden
