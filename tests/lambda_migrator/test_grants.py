"""From the grantees and what the database has to the statements in between."""

from __future__ import annotations

import pytest

from blocks_runtime.contract import Access
from lambda_migrator.grants import Grant, Seen, Thing, plan_grants, read_grants, things_of
from lambda_migrator.problem import MigrationProblem

RW, RO = "blocks_main_read_write", "blocks_main_read_only"
ARN, OTHER = "arn:aws:iam::123456789012:role/app", "arn:aws-cn:iam::123456789012:role/path/o'app"
QUOTED = "'arn:aws-cn:iam::123456789012:role/path/o''app'"
WRITER, READER = Grant(RW, Access.READ_WRITE, ARN), Grant(RO, Access.READ_ONLY, OTHER)

TABLE, VIEW = Thing("TABLE", ("public", "accounts")), Thing("TABLE", ("app", 'odd "name'))
SCHEMA, SEQUENCE = Thing("SCHEMA", ("app",)), Thing("SEQUENCE", ("public", "numbers"))
ALL_ON_TABLE = frozenset((RW, TABLE, each) for each in ("SELECT", "INSERT", "UPDATE", "DELETE"))

CASES: dict[str, tuple[list[Grant], Seen, list[str]]] = {
    "a fresh database": (
        [WRITER],
        Seen(),
        [f'CREATE ROLE "{RW}" WITH LOGIN', f"AWS IAM GRANT \"{RW}\" TO '{ARN}'"],
    ),
    "everything is there": (
        [WRITER],
        Seen(frozenset({RW}), frozenset({(RW, ARN)}), (TABLE,), ALL_ON_TABLE),
        [],
    ),
    "a new table": (
        [WRITER],
        Seen(frozenset({RW}), frozenset({(RW, ARN)}), (TABLE,)),
        [f'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "public"."accounts" TO "{RW}"'],
    ),
    "one privilege is missing": (
        [WRITER],
        Seen(frozenset({RW}), frozenset({(RW, ARN)}), (TABLE,), ALL_ON_TABLE - {(RW, TABLE, "UPDATE")}),
        [f'GRANT UPDATE ON TABLE "public"."accounts" TO "{RW}"'],
    ),
    "schema, odd names, sequence": (
        [READER],
        Seen(frozenset({RO}), frozenset({(RO, OTHER)}), (SCHEMA, TABLE, VIEW, SEQUENCE)),
        [
            f'GRANT USAGE ON SCHEMA "app" TO "{RO}"',
            f'GRANT SELECT ON TABLE "public"."accounts", "app"."odd ""name" TO "{RO}"',
            f'GRANT SELECT ON SEQUENCE "public"."numbers" TO "{RO}"',
        ],
    ),
    "a quote in the ARN": ([READER], Seen(frozenset({RO})), [f"AWS IAM GRANT \"{RO}\" TO {QUOTED}"]),
    "a grantee left": (
        [],
        Seen(frozenset({RW}), frozenset({(RW, ARN), (RO, OTHER)})),
        [f"AWS IAM REVOKE \"{RO}\" FROM {QUOTED}", f"AWS IAM REVOKE \"{RW}\" FROM '{ARN}'"],
    ),
    "a grantee was replaced": (
        [WRITER],
        Seen(frozenset({RW}), frozenset({(RW, "arn:aws:iam::1:role/old")})),
        [f"AWS IAM REVOKE \"{RW}\" FROM 'arn:aws:iam::1:role/old'", f"AWS IAM GRANT \"{RW}\" TO '{ARN}'"],
    ),
    "other roles are left alone": (
        [],
        Seen(frozenset({"app"}), frozenset({("app", ARN), ("blocks_other_read_write", ARN)})),
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "seen", "expected"), CASES.values(), ids=CASES)
def test_plan(desired: list[Grant], seen: Seen, expected: list[str]) -> None:
    statements = plan_grants("main", desired, seen)
    assert [statement.text for statement in statements] == expected
    assert not any(statement.values for statement in statements), "DDL takes no parameters"


def test_two_functions_with_one_access_share_the_role() -> None:
    second = Grant(RW, Access.READ_WRITE, "arn:aws:iam::1:role/b")
    texts = [statement.text for statement in plan_grants("main", [WRITER, second, WRITER], Seen())]
    assert len([text for text in texts if text.startswith("CREATE ROLE")]) == 1
    assert len([text for text in texts if text.startswith("AWS IAM GRANT")]) == 2


def test_read() -> None:
    entry = {"DatabaseRole": RW, "Access": "READ_WRITE", "RoleArn": ARN}
    assert read_grants("main", [entry]) == (WRITER,)


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
    ],
)
def test_malformed(entries: object) -> None:
    with pytest.raises(MigrationProblem, match="cannot be understood"):
        read_grants("main", entries)


def test_schemas_come_before_what_is_in_them() -> None:
    rows = [
        {"schema": "app", "name": "v", "kind": "v"},
        {"schema": "public", "name": "t", "kind": "r"},
        {"schema": "public", "name": "s", "kind": "S"},
    ]
    assert things_of(rows) == (
        Thing("SCHEMA", ("app",)),
        Thing("TABLE", ("app", "v")),
        Thing("TABLE", ("public", "t")),
        Thing("SEQUENCE", ("public", "s")),
    )
