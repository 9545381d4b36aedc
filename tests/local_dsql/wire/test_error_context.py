"""The context of errors: without the functions of the local database, with those of a client."""

from __future__ import annotations

import pytest

from local_dsql.wire import messages
from local_dsql.wire.error_context import without_internal_context

OWN = "PL/pgSQL function local_dsql.keep_primary_key() line 10 at RAISE"
NESTED = (
    "PL/pgSQL function local_dsql.refuse(text,text,text) line 3 at RAISE\n"
    "SQL statement \"SELECT local_dsql.refuse('54000',\n  'creating more')\"\n"
    "PL/pgSQL function local_dsql.limit_objects() line 14 at PERFORM"
)
SET_CONFIG = "PL/pgSQL function set_config(text,text,boolean) line 7 at RAISE"
CLIENTS = 'SQL function "mine" statement 1\nSQL function "outer" statement 2'
CASES = {
    OWN: None,
    NESTED: None,
    SET_CONFIG: None,
    'SQL function "current_setting" statement 1': None,
    f"{SET_CONFIG}\n{CLIENTS}": CLIENTS,
    f"{NESTED}\n{CLIENTS}": CLIENTS,
    CLIENTS: CLIENTS,
    "PL/pgSQL function sysop.f() line 1 at RAISE": "PL/pgSQL function sysop.f() line 1 at RAISE",
}


@pytest.mark.parametrize(("given", "kept"), CASES.items())
def test_calls_within_the_local_database_are_left_out(given: str, kept: str | None) -> None:
    fields = {"S": "ERROR", "C": "0A000", "M": "no", "W": given, "F": "a.c", "L": "1"}
    found = messages.read_fields(without_internal_context(messages.error(fields)))
    expected = {**fields, "W": kept} if kept else {key: value for key, value in fields.items() if key != "W"}
    assert found == expected
