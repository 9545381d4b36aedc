"""Detection of statements that look read-only, which may be sent again after a lost reply.

Every other statement counts as a write: a lost reply is then an error, so no change is applied twice. A function may
write, so only PostgreSQL functions without side effects are accepted. What the text does not show, such as a function
in a view, the server refuses: the statement is sent again in a READ ONLY transaction.
"""

from __future__ import annotations

from .sql_scanner import strip_literals

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from .fragments import Sql

_VERBS = ("SELECT", "VALUES", "TABLE", "SHOW", "EXPLAIN")

# Words that may precede a parenthesis: keywords, types with a length, functions without side effects.
_WORDS = """
all and any array as between by case cast cube distinct else except exists explain filter from group having
ilike in intersect is join lateral like limit not offset on or over partition range recursive rollup row rows
select sets similar some then union using values when where with within
bit char character decimal float interval numeric time timestamp timestamptz varchar varying
array_agg avg bit_and bit_or bool_and bool_or count every json_agg json_object_agg jsonb_agg jsonb_object_agg
max min percentile_cont percentile_disc stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance
cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number
abs ceil ceiling div exp floor greatest least ln log mod power random round sign sqrt trunc width_bucket
ascii bit_length btrim char_length chr concat concat_ws convert_from convert_to decode encode format initcap
left length lower lpad ltrim md5 octet_length overlay position quote_ident quote_literal regexp_count
format_type pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef pg_get_userbyid pg_get_viewdef
pg_table_is_visible to_regtype col_description obj_description
regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_substr repeat replace
reverse right rpad rtrim sha256 split_part starts_with string_to_array strpos substr substring translate
trim upper
age clock_timestamp current_date current_time current_timestamp date_bin date_part date_trunc extract
isfinite justify_days justify_hours localtime localtimestamp make_date make_interval make_time
make_timestamp make_timestamptz now statement_timestamp to_char to_date to_number to_timestamp
transaction_timestamp
array_append array_cat array_length array_position array_positions array_prepend array_remove
array_to_string array_upper cardinality generate_series generate_subscripts unnest
json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each
json_each_text json_extract_path json_extract_path_text json_object json_object_keys json_typeof
jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
jsonb_each jsonb_each_text jsonb_object_keys jsonb_path_exists jsonb_path_query jsonb_set jsonb_typeof
row_to_json to_json to_jsonb
coalesce current_database current_schema current_setting current_user gen_random_uuid nullif num_nonnulls
num_nulls pg_sleep pg_typeof session_user to_regclass version
"""
_SIDE_EFFECT_FREE = frozenset(_WORDS.split())


def is_read_only(statement: Sql) -> bool:
    """Return whether a statement looks read-only; one with WITH does not, as it may contain an INSERT."""
    import re

    plain = strip_literals("0".join(statement.texts)).strip().removesuffix(";")
    verb = re.match(r"\w*", plain)
    if ";" in plain or verb is None or verb[0].upper() not in _VERBS:
        return False
    # EXPLAIN ANALYZE runs what it explains; a READ ONLY transaction may refuse to lock.
    if re.search(r"\banaly[sz]e\b|\bfor\s+(update|no\s+key|share|key\s+share)\b", plain, re.IGNORECASE):
        return False
    return all(
        call.lower() in _SIDE_EFFECT_FREE for call in re.findall(r"(?<![\w$.\"])([\w$.\"]+)\s*\(", plain)
    )


def may_commit_in_parts(statement: Sql) -> bool:
    """Return whether a statement may commit before it fails: so no error of it is repeated.

    A procedure may, and a DO whose body has the words for it: in PostgreSQL such a body may commit, too.
    """
    import re

    text = "0".join(statement.texts)
    first = re.match(r"[\s;]*(call|do)\b", strip_literals(text), re.IGNORECASE)
    if first is None or first[1].lower() == "call":
        return first is not None
    return re.search(r"\b(call|commit|rollback)\b", text, re.IGNORECASE) is not None


def may_set(text: str) -> bool:
    """Return whether a text may set parameters by a function: it has set_config, or names in escapes (`U&"…"`)."""
    lowered = text.lower()
    return "set_config" in lowered or 'u&"' in lowered


def changes_session(statement: Sql) -> bool:
    """Return whether SET, RESET, set_config() or a DO may set parameters beyond the transaction."""
    import re

    if may_set(statement.text):
        return True
    plain = strip_literals("0".join(statement.texts)).lower().lstrip(" \t\n\r\f\v;")
    if re.match(r"do\b", plain):
        return re.search(r"\b(re)?set\b", statement.text, re.IGNORECASE) is not None
    return re.match(r"reset\b|set\s+(?!local\b|transaction\b)", plain) is not None
