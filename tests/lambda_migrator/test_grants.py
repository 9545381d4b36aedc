"""The plan from desired and current grants to statements."""

from __future__ import annotations

import pytest

from blocks_runtime.contract import Access
from lambda_migrator.errors import MigrationFailedError
from lambda_migrator.grants import (
    CurrentGrants,
    DatabaseObject,
    Grant,
    objects_of,
    plan_grants,
    read_grants,
    unknown_objects,
    write_grants,
)

RW, RO = "blocks_main_read_write", "blocks_main_read_only"
ARN, OTHER = "arn:aws:iam::123456789012:role/app", "arn:aws-cn:iam::123456789012:role/path/o'app"
QUOTED = "'arn:aws-cn:iam::123456789012:role/path/o''app'"
WRITER, READER = Grant(RW, Access.READ_WRITE, ARN), Grant(RO, Access.READ_ONLY, OTHER)

TABLE, VIEW = DatabaseObject("TABLE", ("public", "accounts")), DatabaseObject("TABLE", ("app", 'odd "name'))
SCHEMA, SEQUENCE = DatabaseObject("SCHEMA", ("app",)), DatabaseObject("SEQUENCE", ("public", "numbers"))
JOURNAL, OTHER_TABLE = (
    DatabaseObject("TABLE", ("public", "_migrations")),
    DatabaseObject("TABLE", ("app", "log")),
)
CLERK = "blocks_main__clerk"
CUSTOM = Grant(CLERK, {("app", "log"): ("SELECT", "INSERT"), ("public", "numbers"): ("USAGE",)}, ARN)
ALL_ON_TABLE = frozenset((RW, TABLE, each) for each in ("SELECT", "INSERT", "UPDATE", "DELETE"))

CASES: dict[str, tuple[list[Grant], CurrentGrants, list[str]]] = {
    "a fresh database": (
        [WRITER],
        CurrentGrants(),
        [f'CREATE ROLE "{RW}" WITH LOGIN', f"AWS IAM GRANT \"{RW}\" TO '{ARN}'"],
    ),
    "everything is there": (
        [WRITER],
        CurrentGrants(frozenset({RW}), frozenset({(RW, ARN)}), (TABLE,), ALL_ON_TABLE),
        [],
    ),
    "a new table": (
        [WRITER],
        CurrentGrants(frozenset({RW}), frozenset({(RW, ARN)}), (TABLE,)),
        [f'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "public"."accounts" TO "{RW}"'],
    ),
    "one privilege is missing": (
        [WRITER],
        CurrentGrants(frozenset({RW}), frozenset({(RW, ARN)}), (TABLE,), ALL_ON_TABLE - {(RW, TABLE, "UPDATE")}),
        [f'GRANT UPDATE ON TABLE "public"."accounts" TO "{RW}"'],
    ),
    "schema, odd names, sequence": (
        [READER],
        CurrentGrants(frozenset({RO}), frozenset({(RO, OTHER)}), (SCHEMA, TABLE, VIEW, SEQUENCE)),
        [
            f'GRANT USAGE ON SCHEMA "app" TO "{RO}"',
            f'GRANT SELECT ON TABLE "public"."accounts", "app"."odd ""name" TO "{RO}"',
            f'GRANT SELECT ON SEQUENCE "public"."numbers" TO "{RO}"',
        ],
    ),
    "a quote in the ARN": ([READER], CurrentGrants(frozenset({RO})), [f"AWS IAM GRANT \"{RO}\" TO {QUOTED}"]),
    "a grantee left": (
        [],
        CurrentGrants(frozenset({RW}), frozenset({(RW, ARN), (RO, OTHER)})),
        [f"AWS IAM REVOKE \"{RO}\" FROM {QUOTED}", f"AWS IAM REVOKE \"{RW}\" FROM '{ARN}'"],
    ),
    "a grantee was replaced": (
        [WRITER],
        CurrentGrants(frozenset({RW}), frozenset({(RW, "arn:aws:iam::1:role/old")})),
        [f"AWS IAM REVOKE \"{RW}\" FROM 'arn:aws:iam::1:role/old'", f"AWS IAM GRANT \"{RW}\" TO '{ARN}'"],
    ),
    "a role without grantees keeps no privilege": (
        [],
        CurrentGrants(frozenset({RW}), frozenset(), (SCHEMA, TABLE), ALL_ON_TABLE | {(RW, SCHEMA, "USAGE")}),
        [
            f'REVOKE SELECT, INSERT, UPDATE, DELETE ON TABLE "public"."accounts" FROM "{RW}"',
            f'REVOKE USAGE ON SCHEMA "app" FROM "{RW}"',
        ],
    ),
    "a custom role has what it names and the schema around it": (
        [CUSTOM],
        CurrentGrants(frozenset(), frozenset(), (SCHEMA, OTHER_TABLE, TABLE, JOURNAL, SEQUENCE)),
        [
            f'CREATE ROLE "{CLERK}" WITH LOGIN',
            f'GRANT USAGE ON SCHEMA "app" TO "{CLERK}"',
            f'GRANT SELECT, INSERT ON TABLE "app"."log" TO "{CLERK}"',
            f'GRANT USAGE ON SEQUENCE "public"."numbers" TO "{CLERK}"',
            f"AWS IAM GRANT \"{CLERK}\" TO '{ARN}'",
        ],
    ),
    "a custom role was narrowed": (
        [CUSTOM],
        CurrentGrants(
            frozenset({CLERK}),
            frozenset({(CLERK, ARN)}),
            (OTHER_TABLE, TABLE),
            frozenset({(CLERK, OTHER_TABLE, each) for each in ("SELECT", "INSERT", "DELETE")})
            | {(CLERK, TABLE, "SELECT")},
        ),
        [
            f'REVOKE SELECT ON TABLE "public"."accounts" FROM "{CLERK}"',
            f'REVOKE DELETE ON TABLE "app"."log" FROM "{CLERK}"',
        ],
    ),
    "a custom role was renamed": (
        [CUSTOM],
        CurrentGrants(
            frozenset({CLERK, "blocks_main__teller"}),
            frozenset({("blocks_main__teller", ARN)}),
            (OTHER_TABLE,),
            frozenset({(CLERK, OTHER_TABLE, "SELECT"), (CLERK, OTHER_TABLE, "INSERT")})
            | {("blocks_main__teller", OTHER_TABLE, "SELECT")},
        ),
        [
            f"AWS IAM REVOKE \"blocks_main__teller\" FROM '{ARN}'",
            'REVOKE SELECT ON TABLE "app"."log" FROM "blocks_main__teller"',
            f"AWS IAM GRANT \"{CLERK}\" TO '{ARN}'",
        ],
    ),
    "privileges on the journal are revoked": (
        [WRITER],
        CurrentGrants(
            frozenset({RW}), frozenset({(RW, ARN)}), (JOURNAL,), frozenset({(RW, JOURNAL, "SELECT")})
        ),
        [f'REVOKE SELECT ON TABLE "public"."_migrations" FROM "{RW}"'],
    ),
    "roles of a database with a longer name are left alone": (
        [],
        CurrentGrants(frozenset({"blocks_main_x__clerk"}), frozenset({("blocks_main_x__clerk", ARN)})),
        [],
    ),
    "other roles are left alone": (
        [],
        CurrentGrants(frozenset({"app"}), frozenset({("app", ARN), ("blocks_other_read_write", ARN)})),
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "current", "expected"), CASES.values(), ids=CASES)
def test_plan(desired: list[Grant], current: CurrentGrants, expected: list[str]) -> None:
    statements = plan_grants("main", desired, current)
    assert [statement.text for statement in statements] == expected
    assert not any(statement.values for statement in statements), "DDL takes no parameters"


def test_nothing_is_revoked_for_an_incomplete_list() -> None:
    current = CurrentGrants(
        frozenset({RW, CLERK}), frozenset({(RW, ARN), (CLERK, ARN)}), (TABLE,), ALL_ON_TABLE
    )
    assert plan_grants("main", [], current, ended=()) == ()


LEDGER = DatabaseObject("TABLE", ("public", "_grants"))
NARROW = Grant(CLERK, {("app", "log"): ("SELECT",)}, ARN)
WIDE = Grant(
    CLERK, {("app", "log"): ("INSERT",), ("public", "accounts"): ("SELECT",)}, "arn:aws:iam::1:role/b"
)
CLERK_HAS = frozenset(
    {(CLERK, OTHER_TABLE, each) for each in ("SELECT", "INSERT", "DELETE")} | {(CLERK, TABLE, "SELECT")}
)
ENDED: dict[str, tuple[list[Grant], list[Grant], CurrentGrants, list[str]]] = {
    "only what has ended": (
        [WRITER],
        [READER],
        CurrentGrants(frozenset({RW, RO}), frozenset({(RW, ARN), (RO, OTHER), (CLERK, ARN)})),
        [f'AWS IAM REVOKE "{RO}" FROM {QUOTED}'],
    ),
    "what has ended is granted by another": (
        [READER], [READER], CurrentGrants(frozenset({RO}), frozenset({(RO, OTHER)})), [],
    ),
    "privileges of a custom role that has ended": (
        [NARROW],
        [WIDE],
        CurrentGrants(frozenset({CLERK}), frozenset({(CLERK, ARN)}), (OTHER_TABLE, TABLE), CLERK_HAS),
        [
            f'REVOKE SELECT ON TABLE "public"."accounts" FROM "{CLERK}"',
            f'REVOKE INSERT ON TABLE "app"."log" FROM "{CLERK}"',
        ],
    ),
    "a mapping by hand keeps the privileges of its role": (
        [],
        [WIDE],
        CurrentGrants(
            frozenset({CLERK}), frozenset({(CLERK, ARN), (CLERK, WIDE.arn)}), (OTHER_TABLE, TABLE), CLERK_HAS
        ),
        [f"AWS IAM REVOKE \"{CLERK}\" FROM '{WIDE.arn}'"],
    ),
    "privileges on the migrator's tables are always revoked": (
        [WRITER],
        [],
        CurrentGrants(frozenset({RW}), frozenset({(RW, ARN)}), (LEDGER,), frozenset({(RW, LEDGER, "UPDATE")})),
        [f'REVOKE UPDATE ON TABLE "public"."_grants" FROM "{RW}"'],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "ended", "current", "expected"), ENDED.values(), ids=ENDED)
def test_plan_of_a_request_that_revokes_what_has_ended(
    desired: list[Grant], ended: list[Grant], current: CurrentGrants, expected: list[str]
) -> None:
    assert [each.text for each in plan_grants("main", desired, current, ended=ended)] == expected


def test_a_custom_role_has_what_any_of_its_grants_allows() -> None:
    current = CurrentGrants(frozenset({CLERK}), frozenset(), (OTHER_TABLE, TABLE), CLERK_HAS)
    assert [each.text for each in plan_grants("main", [NARROW, WIDE], current)] == [
        f'REVOKE DELETE ON TABLE "app"."log" FROM "{CLERK}"',
        f"AWS IAM GRANT \"{CLERK}\" TO '{ARN}'",
        f"AWS IAM GRANT \"{CLERK}\" TO '{WIDE.arn}'",
    ]


def test_missing_objects_of_a_custom_role_are_logged() -> None:
    assert unknown_objects([CUSTOM, WRITER], CurrentGrants(objects=(SEQUENCE, TABLE))) == ("app.log",)


def test_no_statement_is_about_the_schema_public() -> None:
    """DSQL refuses GRANT … ON SCHEMA public (0A000)."""
    rows = [{"schema": "public", "name": "t", "kind": "r"}]
    custom = Grant(CLERK, {("public", "t"): ("SELECT",)}, ARN)
    for statement in plan_grants("main", [WRITER, custom], CurrentGrants(objects=objects_of(rows))):
        assert "ON SCHEMA" not in statement.text


def test_two_functions_with_one_access_share_the_role() -> None:
    second = Grant(RW, Access.READ_WRITE, "arn:aws:iam::1:role/b")
    texts = [statement.text for statement in plan_grants("main", [WRITER, second, WRITER], CurrentGrants())]
    assert len([text for text in texts if text.startswith("CREATE ROLE")]) == 1
    assert len([text for text in texts if text.startswith("AWS IAM GRANT")]) == 2


def test_read() -> None:
    entry = {"DatabaseRole": RW, "Access": "READ_WRITE", "RoleArn": ARN}
    privileges = {"app.log": ["SELECT", "INSERT"], "public.numbers": ["USAGE"]}
    custom = {"DatabaseRole": CLERK, "Privileges": privileges, "RoleArn": ARN}
    assert read_grants("main", [entry, custom]) == (WRITER, CUSTOM)
    assert write_grants([WRITER, CUSTOM]) == [entry, custom]


@pytest.mark.parametrize(
    "entries",
    [
        "text",
        [{}],
        [None],
        [{"DatabaseRole": RW, "Access": "OWNER", "RoleArn": ARN}],
        [{"DatabaseRole": "admin", "Access": "READ_WRITE", "RoleArn": ARN}],
        [{"DatabaseRole": "blocks_other_read_write", "Access": "READ_WRITE", "RoleArn": ARN}],
        [{"DatabaseRole": RW, "Access": "READ_WRITE", "RoleArn": "app"}],
        [{"DatabaseRole": RW, "Privileges": {}, "RoleArn": ARN}],
        [{"DatabaseRole": "blocks_main_x__clerk", "Privileges": {}, "RoleArn": ARN}],
        [{"DatabaseRole": CLERK, "Privileges": {"log": ["SELECT"]}, "RoleArn": ARN}],
        [{"DatabaseRole": CLERK, "Privileges": {"app.log": ["ALL"]}, "RoleArn": ARN}],
        [{"DatabaseRole": CLERK, "Privileges": [], "RoleArn": ARN}],
    ],
)
def test_malformed(entries: object) -> None:
    with pytest.raises(MigrationFailedError, match="is malformed"):
        read_grants("main", entries)


def test_schemas_come_before_their_objects() -> None:
    rows = [
        {"schema": "app", "name": "v", "kind": "v"},
        {"schema": "public", "name": "t", "kind": "r"},
        {"schema": "public", "name": "s", "kind": "S"},
    ]
    assert objects_of(rows) == (
        DatabaseObject("SCHEMA", ("app",)),
        DatabaseObject("TABLE", ("app", "v")),
        DatabaseObject("TABLE", ("public", "t")),
        DatabaseObject("SEQUENCE", ("public", "s")),
    )
