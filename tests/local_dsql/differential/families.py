"""The tables of the random runs and the shapes of statements over them."""

from __future__ import annotations

from tests.local_dsql.differential.family_actions import ACTIONS
from tests.local_dsql.differential.family_hidden import HIDDEN
from tests.local_dsql.differential.family_keys import KEYS
from tests.local_dsql.differential.family_orders import ORDERS
from tests.local_dsql.differential.family_uniques import UNIQUES
from tests.local_dsql.differential.family_values import VALUES
from tests.local_dsql.differential.shapes import Shape

SESSION = (
    Shape("SET CONSTRAINTS ALL DEFERRED"),
    Shape("SET CONSTRAINTS ALL IMMEDIATE"),
    Shape("SELECT set_config('TimeZone', {zone}, false)"),
    Shape("SELECT set_config('TimeZone', {zone}, true)"),
    Shape("SELECT 1 / {divisor}::int"),
    *(
        Shape(f"SET {name} = '{value}'")
        for name, values in (
            ("TimeZone", ("UTC", "Asia/Tokyo", "America/New_York", "Asia/Kolkata")),
            ("DateStyle", ("ISO, MDY", "SQL, DMY", "German", "Postgres")),
            ("IntervalStyle", ("postgres", "iso_8601", "sql_standard", "postgres_verbose")),
            ("extra_float_digits", ("0", "1", "-5", "3")),
            ("client_encoding", ("UTF8", "LATIN1", "WIN1252", "EUC_JP", "UTF8")),
        )
        for value in values
    ),
)
"""Shapes that belong to no table."""

FAMILIES = (*ORDERS, *KEYS, *ACTIONS, *UNIQUES, *VALUES, *HIDDEN)
BY_NAME = {family.name: family for family in FAMILIES}
