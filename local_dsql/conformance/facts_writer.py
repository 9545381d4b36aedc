"""Writer of the answers of a cluster to the rules' examples, as a dated TOML file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local_dsql.conformance.cases import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from local_dsql.conformance.rule_examples import Observation


def facts_file(observations: Iterable[Observation], *, day: date, endpoint: str, dialect: str) -> str:
    """Return the text of a file with one table `[[example]]` for each answer."""
    head = (
        "# Answers of a cluster to the examples of the dialect's rules.\n"
        f"recorded = {day.isoformat()}\nendpoint = {_quoted(endpoint)}\ndialect = {_quoted(dialect)}\n"
    )
    return head + "".join(map(_table, observations))


def _table(observation: Observation) -> str:
    example, answer = observation.example, observation.answer
    if isinstance(answer, Refusal):
        said = {"sqlstate": answer.sqlstate, "message": answer.message}
    else:
        said = {"tag": answer.tag}
    fields = {"rule": example.rule.id, "sql": example.sql, **said, "verdict": observation.verdict.value}
    return "\n[[example]]\n" + "".join(f"{key} = {_quoted(value)}\n" for key, value in fields.items())


def _quoted(text: str) -> str:
    """Return a TOML basic string; its escapes are those of JSON, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
