"""Statements that the dialects 2026-09 and 2026-11 answer differently, each with both answers.

An answer is SQLSTATE, message and DETAIL; None is acceptance. Sources are in the rules. `SETUP` is for a database that
runs the statements.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Answer: TypeAlias = tuple[str, str, str] | None

SETUP = (
    "CREATE TABLE dated (id int PRIMARY KEY, v text, w text)",
    "CREATE STATISTICS dated_s ON v, w FROM dated",
    "CREATE UNIQUE INDEX ASYNC dated_v ON dated (v)",
)
FAST = "dsql.enable_batched_nestloop"


class Dated(NamedTuple):
    """One statement with its answers of September and of November."""

    sql: str
    september: Answer
    november: Answer


def unsettable(name: str) -> Answer:
    return "0A000", f'setting configuration parameter "{name}" not supported', ""


def reserved(name: str) -> Answer:
    return "42602", f'invalid configuration parameter name "{name}"', '"dsql" is a reserved prefix.'


NO_BOOLEAN = "22023", f'parameter "{FAST}" requires a Boolean value', ""
NOT_IN_KEYS = "0A000", "DEFERRABLE not supported for UNIQUE or PRIMARY KEY constraint", ""
NOT_DEFERRABLE = "0A000", "DEFERRABLE constraint not supported", ""
KEY_TOO_LARGE = "54000", "key size greater than 2000 bytes not supported", ""

CASES = (
    Dated("RESET work_mem", unsettable("work_mem"), None),
    Dated("RESET statement_timeout", unsettable("statement_timeout"), None),
    Dated("RESET DEFAULT_STATISTICS_TARGET", unsettable("default_statistics_target"), None),
    Dated("SET work_mem TO DEFAULT", unsettable("work_mem"), None),
    Dated("SET SESSION lock_timeout = DEFAULT", unsettable("lock_timeout"), None),
    Dated("SET LOCAL statement_timeout TO DEFAULT", unsettable("statement_timeout"), None),
    Dated("SET dsql.enable_more = on", unsettable("dsql.enable_more"), reserved("dsql.enable_more")),
    Dated("SET LOCAL dsql.x TO 'a', 'b'", unsettable("dsql.x"), reserved("dsql.x")),
    Dated("RESET dsql.x", unsettable("dsql.x"), reserved("dsql.x")),
    Dated("SELECT set_config('dsql.x', 'on', false)", unsettable("dsql.x"), reserved("dsql.x")),
    Dated("SELECT set_config('dsql.' || 'y', 'on', true)", unsettable("dsql.y"), reserved("dsql.y")),
    Dated(f"SET {FAST} = maybe", None, NO_BOOLEAN),
    Dated(f"SET {FAST} = 2", None, NO_BOOLEAN),
    Dated(f"SET {FAST} = 0.5", None, NO_BOOLEAN),
    Dated(f"SET {FAST} = 'o'", None, NO_BOOLEAN),
    Dated(f"SET {FAST} = ''", None, NO_BOOLEAN),
    Dated(f"SELECT set_config('{FAST}', 'enabled', false)", None, NO_BOOLEAN),
    Dated(f"SELECT set_config('{FAST}', 'o' || 'o', true)", None, NO_BOOLEAN),
    Dated(
        "ALTER STATISTICS dated_s SET STATISTICS 101",
        None,
        ("22023", "statistics target 101 exceeds maximum allowed value of 100", ""),
    ),
    Dated("CREATE TABLE dated_1 (id int UNIQUE DEFERRABLE)", NOT_IN_KEYS, NOT_DEFERRABLE),
    Dated("CREATE TABLE dated_1 (id int, PRIMARY KEY (id) INITIALLY DEFERRED)", NOT_IN_KEYS, NOT_DEFERRABLE),
    Dated(
        "ALTER TABLE dated ADD CONSTRAINT dated_u UNIQUE USING INDEX dated_v DEFERRABLE",
        None,
        ("0A000", "ALTER TABLE / ADD CONSTRAINT UNIQUE / DEFERRED / INITIALLY DEFERRED not supported", ""),
    ),
    Dated("CREATE TABLE dated_2 (id varchar(2001) PRIMARY KEY)", None, KEY_TOO_LARGE),
    Dated("CREATE TABLE dated_3 (a varchar(1500), b char(501), UNIQUE (a, b))", None, KEY_TOO_LARGE),
)

ACCEPTED_BY_BOTH = (
    f"SET {FAST} = on",
    f"SET {FAST} = 'TRUE'",
    f"SET {FAST} = n",
    f"SET {FAST} = 'of'",
    f"SET LOCAL {FAST} = 0",
    f"SET {FAST} TO DEFAULT",
    f"RESET {FAST}",
    f"SELECT set_config('{FAST}', 'yes', false)",
    "RESET search_path",
    "RESET ALL",
    "ALTER STATISTICS dated_s SET STATISTICS 100",
    "ALTER STATISTICS dated_s SET STATISTICS -1",
    "CREATE TABLE dated_4 (id int PRIMARY KEY, p int REFERENCES dated DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE dated_5 (a varchar(2000) PRIMARY KEY, b varchar(1000), c char(1000), UNIQUE (b, c))",
    "CREATE TABLE dated_6 (a varchar(1500), b varchar(1500), UNIQUE (a), UNIQUE (b))",
    "CREATE TABLE dated_7 (a varchar(2000), b varchar(2000), UNIQUE (a) INCLUDE (b))",
)
"""Near misses of the cases."""

LEFT_TO_THE_DATABASE = ("set_config('dsql.' ||", "'o' || 'o'")
"""Parts of statements whose text alone does not decide."""
