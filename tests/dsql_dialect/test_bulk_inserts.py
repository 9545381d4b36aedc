"""An INSERT is judged in the same way whether or not another of its shape was judged before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dsql_dialect import PROFILES, RULES, parse
from dsql_dialect.parser import KEPT_UP_TO
from tests.dsql_dialect.grammar_corpus import CORPUS

if TYPE_CHECKING:
    from dsql_dialect.profiles import Profile

BEHIND = "\n-- " + "x" * KEPT_UP_TO
"""A comment that makes a text too long for the cache of texts."""
INSERTS = sorted(
    {
        text
        for text in {
            *CORPUS,
            *(rule.refused for rule in RULES.values()),
            *(rule.accepted for rule in RULES.values()),
        }
        if "\0" not in text and text.lstrip().lower().startswith(("insert", "with"))
    }
    | {
        "INSERT INTO t VALUES (1, 'a', NULL, -1.5, true)",
        "INSERT INTO t (a, b) VALUES (1, 2), (3, 4)",
        "INSERT INTO t (a, b) VALUES (1, N'x'), (3, 4)",
        "INSERT INTO t (a, b) VALUES (1, varchar 'x'), (3, 4)",
        "INSERT INTO s.t (a) VALUES (1)",
        "INSERT INTO t (a) VALUES (nextval('s'))",
        "INSERT INTO t (a) VALUES ('1'::regclass)",
        "INSERT INTO t (a) VALUES ((SELECT max(b) FROM u))",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2",
        "INSERT INTO t (a) VALUES (1) RETURNING f(a)",
        "INSERT INTO t (a) VALUES ($1)",
        "INSERT INTO t (a) VALUES (DEFAULT)",
        "INSERT INTO t (a[1]) VALUES (1)",
        "INSERT INTO t DEFAULT VALUES",
        "INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (1)",
        "INSERT INTO t (a) VALUES (1) ORDER BY 1 LIMIT 1",
    }
)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda each: each.name)
def test_an_insert_behind_any_other_is_judged_as_alone(profile: Profile) -> None:
    alone = {text: parse(text, profile).statements for text in INSERTS}
    single = [text for text in INSERTS if len(alone[text]) == 1]
    twice = ";\n".join(text for text in single for _ in range(2))
    together = parse(twice + BEHIND, profile).statements
    assert len(together) == 2 * len(single)
    for number, statement in enumerate(together):
        expected = alone[single[number // 2]][0]
        where = [each.position for each in statement.findings]
        assert len(where) == len(expected.findings)
        assert (
            replace(
                statement,
                position=expected.position,
                findings=tuple(
                    replace(each, position=other.position)
                    for each, other in zip(statement.findings, expected.findings, strict=True)
                ),
            )
            == expected
        ), single[number // 2]


def test_texts_and_places_are_their_own() -> None:
    text = "".join(f"INSERT INTO t VALUES ({number}, 'x{number}');\n" for number in range(2000))
    found = parse(text, PROFILES[0]).statements
    assert [each.text for each in found] == [line.rstrip(";") for line in text.splitlines()]
    assert [each.backend_sql for each in found] == [each.text for each in found]
    assert [each.position.line for each in found] == list(range(1, 2001))
