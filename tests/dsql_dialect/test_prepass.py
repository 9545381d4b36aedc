"""DSQL's own syntax, and the boundaries of statements."""

from __future__ import annotations

import pytest

from dsql_dialect import IamStatement, Kind, parse, profile

CLUSTER = profile("2026-09")


def texts(sql: str) -> list[str]:
    return [statement.text for statement in parse(sql, CLUSTER).statements]


SPLITS = {
    "quoted identifier": ('CREATE TABLE t ("a;b" int); SELECT 1', ['CREATE TABLE t ("a;b" int)', "SELECT 1"]),
    "escape string": (r"SELECT E'it\'s; x'; SELECT 2", [r"SELECT E'it\'s; x'", "SELECT 2"]),
    "nested comment": (
        "SELECT 1 /* a /* b; */ c; */ + 1; SELECT 2",
        ["SELECT 1 /* a /* b; */ c; */ + 1", "SELECT 2"],
    ),
    "comment between": ("SELECT 1; /* a /* b; */ c; */ SELECT 2", ["SELECT 1", "SELECT 2"]),
    "comment without space": ("SELECT/*x*/1", ["SELECT/*x*/1"]),
    "comments behind": ("SELECT 1 -- a;\n; SELECT 2 /* b; */ -- c", ["SELECT 1", "SELECT 2"]),
    "comment only": ("-- nothing; here", []),
    "dollar quote": ("SELECT $$ a; b $$; SELECT 2", ["SELECT $$ a; b $$", "SELECT 2"]),
    "dollar quote with a tag": ("SELECT $é$ a; $$ b $é$; SELECT 2", ["SELECT $é$ a; $$ b $é$", "SELECT 2"]),
    "parameters": ("SELECT $1, $2; SELECT $10", ["SELECT $1, $2", "SELECT $10"]),
    "parameter beside a dollar quote": ("SELECT $1, $$;$$; SELECT 2", ["SELECT $1, $$;$$", "SELECT 2"]),
    "empty statements": (";; SELECT 1 ;\n;", ["SELECT 1"]),
    "characters beyond ASCII": ("SELECT 'é'; SELECT '𝄞' AS ü", ["SELECT 'é'", "SELECT '𝄞' AS ü"]),
    "windows line ends": ("SELECT 1;\r\nSELECT 2\r\n", ["SELECT 1", "SELECT 2"]),
    "body": (
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END"
        "; SELECT 3",
        [
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
            "SELECT 3",
        ],
    ),
}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["by the parser", "by the tokens"])
@pytest.mark.parametrize(("sql", "expected"), SPLITS.values(), ids=SPLITS.keys())
def test_splits(sql: str, expected: list[str], asynchronous: bool) -> None:
    """Each text is cut the same by the parser and, with DSQL's syntax before it, by the scanner."""
    prefix = "CREATE INDEX ASYNC i ON t (c);" if asynchronous else ""
    assert texts(prefix + sql)[asynchronous:] == expected


def test_unterminated_text_is_one_statement_behind_the_complete_ones() -> None:
    query, statement = parse("SELECT 1; SELECT $$ a;", CLUSTER).statements
    assert (query.text, query.findings) == ("SELECT 1", ())
    assert (statement.text, statement.kind) == ("SELECT $$ a;", Kind.INVALID)
    assert statement.finding is not None
    assert statement.finding.message == 'unterminated dollar-quoted string at or near "$$ a;"'
    assert (statement.finding.position.line, statement.finding.position.column) == (1, 18)


def test_neighbours_of_bad_sql_are_read() -> None:
    script = parse("SELEC 1;\nSELECT 2;\nTRUNCATE é;", CLUSTER)
    assert [statement.kind for statement in script.statements] == [Kind.INVALID, Kind.QUERY, Kind.DML]
    assert [(each.sqlstate, each.position.line) for each in script.findings] == [("42601", 1), ("0A000", 3)]
    assert script.syntax_error is script.findings[0]


def test_position_of_bad_sql_counts_characters() -> None:
    (finding,) = parse("SELECT 'ü𝄞';\nSELECT 'é' FORM a b", CLUSTER).findings
    assert finding.message == 'syntax error at or near "a"'
    assert (finding.position.offset, finding.position.line, finding.position.column) == (29, 2, 17)


ASYNC = {
    "CREATE INDEX ASYNC ON t (c)": ("index", "CREATE INDEX       ON t (c)"),
    "create unique index async if not exists i on t (c)": (
        "index",
        "create unique index       if not exists i on t (c)",
    ),
    "CREATE INDEX ASYNC async ON t (c)": ("index", "CREATE INDEX       async ON t (c)"),
    "CREATE /* é */ INDEX -- é\n ASYNC i ON t (c)": ("index", "CREATE /* é */ INDEX -- é\n       i ON t (c)"),
    "ALTER TABLE ASYNC t VALIDATE CONSTRAINT c": ("validate", "ALTER TABLE       t VALIDATE CONSTRAINT c"),
    "ALTER TABLE ASYNC IF EXISTS s.t VALIDATE CONSTRAINT c": (
        "validate",
        "ALTER TABLE       IF EXISTS s.t VALIDATE CONSTRAINT c",
    ),
    "ALTER TABLE ASYNC ONLY t VALIDATE CONSTRAINT c": (
        "validate",
        "ALTER TABLE       ONLY t VALIDATE CONSTRAINT c",
    ),
    "ALTER TABLE ASYNC add VALIDATE CONSTRAINT c": (
        "validate",
        "ALTER TABLE       add VALIDATE CONSTRAINT c",
    ),
    "ALTER TABLE ASYNC async VALIDATE CONSTRAINT c": (
        "validate",
        "ALTER TABLE       async VALIDATE CONSTRAINT c",
    ),
}


@pytest.mark.parametrize(("sql", "job", "backend_sql"), [(sql, *expected) for sql, expected in ASYNC.items()])
def test_async_is_blanked(sql: str, job: str, backend_sql: str) -> None:
    (statement,) = parse(sql, CLUSTER).statements
    assert statement.findings == ()
    assert statement.async_job == job
    assert statement.returns_rows
    assert statement.backend_sql == backend_sql
    assert len(statement.backend_sql) == len(statement.text)


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE async ADD COLUMN c int",
        "ALTER TABLE async ADD c int",
        "ALTER TABLE async DROP CONSTRAINT c",
        "ALTER TABLE async RENAME TO t",
        "ALTER TABLE public.async OWNER TO joe",
        'CREATE TABLE "ASYNC" (async int)',
        "SELECT 'CREATE INDEX ASYNC' AS async, aws FROM iam",
        "INSERT INTO aws VALUES ('AWS IAM GRANT')",
    ],
)
def test_async_and_aws_can_be_names(sql: str) -> None:
    (statement,) = parse(sql, CLUSTER).statements
    assert statement.findings == ()
    assert statement.async_job is None
    assert statement.iam is None
    assert statement.backend_sql == statement.text == sql


def test_table_called_async_is_validated_by_its_quoted_name_or_async() -> None:
    (statement,) = parse("ALTER TABLE async VALIDATE CONSTRAINT c", CLUSTER).statements
    assert statement.async_job is None
    assert [each.rule.id for each in statement.findings] == ["validate-constraint-sync"]


ARN = "arn:aws:iam::111122223333:role/app"
IAM = {
    f"AWS IAM GRANT app TO '{ARN}'": IamStatement("app", ARN, revoke=False),
    f"aws iam revoke App from '{ARN}'": IamStatement("app", ARN, revoke=True),
    f'AWS IAM GRANT "App ""x" TO /* c */ \'{ARN}\'': IamStatement('App "x', ARN, revoke=False),
    "AWS IAM GRANT app TO 'a''b'": IamStatement("app", "a'b", revoke=False),
}


@pytest.mark.parametrize(("sql", "expected"), IAM.items())
def test_aws_iam(sql: str, expected: IamStatement) -> None:
    before, statement, after = parse(f"SELECT 'é'; {sql}; SELECT 2", CLUSTER).statements
    assert statement.iam == expected
    assert statement.is_ddl
    assert (statement.text, statement.backend_sql, statement.node) == (sql, "", "Iam")
    assert (before.text, after.text) == ("SELECT 'é'", "SELECT 2")


BAD_IAM = {
    "AWS IAM": "syntax error at end of input",
    "AWS IAM DROP app TO 'x'": 'syntax error at or near "DROP"',
    "AWS IAM GRANT 'app' TO 'x'": "syntax error at or near \"'app'\"",
    "AWS IAM GRANT 1 TO 'x'": 'syntax error at or near "1"',
    "AWS IAM GRANT app FROM 'x'": 'syntax error at or near "FROM"',
    "AWS IAM REVOKE app TO 'x'": 'syntax error at or near "TO"',
    "AWS IAM GRANT app TO x": 'syntax error at or near "x"',
    "AWS IAM GRANT app TO 'x' NOW": 'syntax error at or near "NOW"',
    "AWS IAM GRANT app TO": "syntax error at end of input",
}


@pytest.mark.parametrize(("sql", "message"), BAD_IAM.items())
def test_bad_aws_iam(sql: str, message: str) -> None:
    (finding,) = parse(sql, CLUSTER).findings
    assert (finding.sqlstate, finding.message) == ("42601", message)


def test_sync_use_of_btree_is_seen_only_where_it_is_written() -> None:
    with_using = parse("CREATE INDEX ASYNC i ON t USING btree (c)", CLUSTER).findings
    assert [each.rule.id for each in with_using] == ["index-using"]
    assert parse("CREATE INDEX ASYNC i ON t (c) INCLUDE (d)", CLUSTER).findings == ()
