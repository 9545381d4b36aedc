"""Custom database roles: privileges table by table, checked against the migrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import aws_iam as iam

from blocks import Access, ConstructError, DatabaseRole, DistributedDatabase, Privilege
from blocks_runtime.contract import custom_role, custom_role_prefix, database_role
from tests.support.template_reader import Template, function

if TYPE_CHECKING:
    import aws_cdk as cdk

MIGRATIONS = Path(__file__).parent / "migrations"
SELECT, INSERT = Privilege.SELECT, Privilege.INSERT


@pytest.fixture
def db(stack: cdk.Stack) -> DistributedDatabase:
    return DistributedDatabase(stack, "main")


def imported(stack: cdk.Stack, name: str) -> iam.IRole:
    return iam.Role.from_role_arn(stack, name, f"arn:aws:iam::123456789012:role/team/{name}")


def test_a_custom_role_is_mapped_with_its_privileges(stack: cdk.Stack, db: DistributedDatabase) -> None:
    auditor = DatabaseRole(
        "auditor", {"transfers": [INSERT, SELECT], "audit.log": {SELECT}, "numbers": {Privilege.USAGE}}
    )
    fn = function(stack)
    db.grant_connect(fn, access=auditor)
    db.grant_connect(imported(stack, "batch"), access=auditor)
    template = Template.of(stack)
    variables = template.named(fn)["Properties"]["Environment"]["Variables"]
    assert variables["BLOCKS_MAIN_ROLE"] == "blocks_main__auditor"
    assert db.environment(auditor)["BLOCKS_MAIN_ROLE"] == "blocks_main__auditor"
    mappings = template.mappings()
    assert len(mappings) == 2
    for mapping in mappings:
        assert mapping["DatabaseRole"] == "blocks_main__auditor"
        assert "Access" not in mapping
        assert mapping["Privileges"] == {
            "audit.log": ["SELECT"],
            "public.numbers": ["USAGE"],
            "public.transfers": ["SELECT", "INSERT"],
        }


def test_equal_roles_are_one(stack: cdk.Stack, db: DistributedDatabase) -> None:
    role = imported(stack, "app")
    for _ in range(2):
        db.grant_connect(role, access=DatabaseRole("auditor", {"t": [SELECT]}))
    assert len(Template.of(stack).mappings()) == 1


def test_fails_for_two_roles_of_one_name(stack: cdk.Stack, db: DistributedDatabase) -> None:
    db.grant_connect(imported(stack, "a"), access=DatabaseRole("auditor", {"t": [SELECT]}))
    with pytest.raises(ConstructError, match="called 'auditor' and have other privileges"):
        db.grant_connect(imported(stack, "b"), access=DatabaseRole("auditor", {"t": [INSERT]}))


def test_fails_for_a_table_that_no_migration_creates(stack: cdk.Stack) -> None:
    db = DistributedDatabase(stack, "main", migrations=MIGRATIONS)
    role = DatabaseRole("auditor", {"accounts": [SELECT], "acounts": [SELECT], "app.accounts": [SELECT]})
    with pytest.raises(ConstructError, match=r"on acounts, app\.accounts\n") as refused:
        db.grant_connect(imported(stack, "a"), access=role)
    assert refused.value.remedy.startswith("spell it as the migration does")


@pytest.mark.parametrize(
    ("privileges", "misplaced"),
    [
        ({"accounts": [SELECT, Privilege.USAGE]}, "accounts"),
        ({"numbers": [INSERT]}, "numbers"),
        ({"accounts": [SELECT, INSERT], "numbers": [SELECT, Privilege.USAGE]}, None),
    ],
    ids=["usage of a table", "insert into a sequence", "right"],
)
def test_fails_for_an_invalid_privilege(
    stack: cdk.Stack, tmp_path: Path, privileges: dict[str, list[Privilege]], misplaced: str | None
) -> None:
    """The migrator gives none of these; without a word the role would lack what it was made for."""
    (tmp_path / "001_accounts.sql").write_text("CREATE TABLE accounts (id uuid PRIMARY KEY);")
    (tmp_path / "002_numbers.sql").write_text("CREATE SEQUENCE numbers CACHE 1;")
    db = DistributedDatabase(stack, "main", migrations=tmp_path, dialect="2026-09")
    role = DatabaseRole("app", privileges)
    if misplaced is None:
        db.grant_connect(imported(stack, "a"), access=role)
        return
    with pytest.raises(ConstructError, match=f"privileges on {misplaced} that it cannot have"):
        db.grant_connect(imported(stack, "a"), access=role)


@pytest.mark.parametrize(
    "other", [Access.READ_WRITE, DatabaseRole("writer", {"t": [INSERT]})], ids=["level", "custom"]
)
@pytest.mark.parametrize("swapped", [False, True])
def test_fails_for_a_function_with_a_custom_role_and_another(
    stack: cdk.Stack, db: DistributedDatabase, other: Access | DatabaseRole, swapped: bool
) -> None:
    fn = function(stack)
    grants: list[Any] = [DatabaseRole("auditor", {"t": [SELECT]}), other]
    first, second = reversed(grants) if swapped else grants
    db.grant_connect(fn, access=first)
    with pytest.raises(ConstructError, match="neither of these two includes the other"):
        db.grant_connect(fn, access=second)


def test_a_custom_role_is_preferred_to_admin(stack: cdk.Stack, db: DistributedDatabase) -> None:
    fn = function(stack)
    db.grant_connect_admin(fn)
    db.grant_connect(fn, access=DatabaseRole("auditor", {"t": [SELECT]}))
    db.grant_connect_admin(fn)
    variables = Template.of(stack).named(fn)["Properties"]["Environment"]["Variables"]
    assert variables["BLOCKS_MAIN_ROLE"] == "blocks_main__auditor"


@pytest.mark.parametrize("name", ["", "Auditor", "read-only", "a__b", "_a", "a_", "1st", "x" * 33, "ü"])
def test_fails_for_an_invalid_name(name: str) -> None:
    with pytest.raises(ConstructError, match="is not a valid name of a database role"):
        DatabaseRole(name, {})


@pytest.mark.parametrize("privileges", [[], SELECT, "SELECT", {"SELECT"}, {SELECT, "INSERT"}])
def test_fails_for_a_table_without_privileges(privileges: Any) -> None:
    with pytest.raises(ConstructError, match="each table needs a collection of privileges"):
        DatabaseRole("auditor", {"t": privileges})


@pytest.mark.parametrize("database", ["main", "main-x", "a" * 300, "a" * 23])
def test_names_in_the_cluster_fit_and_are_unique(database: str) -> None:
    longest = custom_role(database, "x" * 32)
    assert len(longest) <= 63
    for other in ("main", "main-auditor", "main--auditor", "main-x"):
        levels = {database_role(other, access) for access in Access}
        assert longest not in levels
        assert not any(level.startswith(custom_role_prefix(database)) for level in levels)
        if other != database:
            assert not custom_role(other, "auditor").startswith(custom_role_prefix(database))


def test_fails_for_an_access_that_is_a_text(stack: cdk.Stack, db: DistributedDatabase) -> None:
    access: Any = "READ_ONLY"
    with pytest.raises(
        ConstructError, match="access='READ_ONLY' is not an access level or role of the database 'main'"
    ) as no:
        db.grant_connect(function(stack), access=access)
    assert "Access.READ_ONLY" in no.value.remedy
    assert Template.of(stack).mappings() == []


OF_THE_MIGRATOR = ["_grants", "_migrations", "_migrations_lock", "_loads", "public._grants"]


@pytest.mark.parametrize("table", OF_THE_MIGRATOR)
def test_a_table_of_the_migrator_has_no_grantees(table: str) -> None:
    """The migrator gives no role privileges on it, so the role would be empty, also without migrations."""
    with pytest.raises(ConstructError, match="'auditor' gives privileges on") as refused:
        DatabaseRole("auditor", {"t": [SELECT], table: [SELECT]})
    assert repr(table) in refused.value.what


def test_a_table_of_that_name_in_another_schema_is_of_the_app(
    stack: cdk.Stack, db: DistributedDatabase
) -> None:
    db.grant_connect(imported(stack, "app"), access=DatabaseRole("auditor", {"audit._grants": [SELECT]}))
