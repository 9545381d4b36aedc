"""Properties of the parser over any text."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsql_dialect import PROFILES, RULES, Kind, parse

WORDS = st.sampled_from(
    [
        *("SELECT", "1", "FROM", "t", ";", ";", "(", ")", ",", "'a;b'", '"ä;b"', "$$;$$", "$é$ ; $é$", "$1"),
        *("CREATE", "UNIQUE", "INDEX", "ASYNC", "ALTER", "TABLE", "VALIDATE", "CONSTRAINT", "c", "async"),
        *("AWS", "IAM", "GRANT", "REVOKE", "TO", "BEGIN", "ATOMIC", "END", "CASE", "-- x;\n", "/* ; /**/ */"),
        *(
            "INSERT",
            "INTO",
            "VALUES",
            "DELETE",
            "ADD",
            "COLUMN",
            "int",
            "𝄞",
            "E'\\'",
            "'",
            "/*",
            "\r\n",
            "\t",
        ),
    ]
)
TEXTS = st.lists(WORDS, max_size=25).map(" ".join) | st.text(max_size=60)


@given(TEXTS, st.sampled_from(PROFILES))
@example("CREATE INDEX ASYNC i ON ü (c); SELECT 'é'", PROFILES[0])
@settings(max_examples=400, deadline=None)
def test_any_text_is_read(sql: str, dialect: object) -> None:
    """No text raises; statements are slices of it, in order; PostgreSQL is given texts as long."""
    end = 0
    for statement in parse(sql, dialect).statements:  # type: ignore[arg-type]
        start = statement.position.offset
        assert start >= end or statement.kind is Kind.INVALID
        assert sql[start : start + len(statement.text)] == statement.text
        assert len(statement.backend_sql) in (
            len(statement.text),
            0 if statement.iam else len(statement.text),
        )
        end = start + len(statement.text)
        for finding in statement.findings:
            assert 0 <= finding.position.offset <= len(sql)
            assert finding.position.line == sql.count("\n", 0, finding.position.offset) + 1
            assert finding.rule.id in RULES


@given(st.lists(st.sampled_from(sorted(rule.refused for rule in RULES.values())), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_findings_do_not_depend_on_the_neighbours(parts: list[str]) -> None:
    """A script's findings are those of its statements, each read by itself."""
    parts = [part for part in parts if "\0" not in part]
    alone = [each.message for part in parts for each in parse(part, PROFILES[0]).findings]
    together = [each.message for each in parse(";\n".join(parts), PROFILES[0]).findings]
    assert together == alone


@given(st.integers(min_value=1, max_value=3000))
@example(12_000)
@settings(max_examples=10, deadline=None)
def test_any_depth_is_parsed(terms: int) -> None:
    """A sum nests its tree once a term: no depth ends the interpreter or its stack."""
    (statement,) = parse("SELECT " + "+".join(["1"] * terms), PROFILES[0]).statements
    assert statement.kind is Kind.QUERY
    assert statement.findings == ()
