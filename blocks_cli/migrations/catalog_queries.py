"""Catalog queries for all objects that migrations can create: one row per object, ordered by name."""

from __future__ import annotations

from blocks_runtime import sql

_OURS = sql(
    "r.rolname = current_user AND n.nspname NOT IN ('information_schema', 'sys') "
    "AND left(n.nspname, 3) <> 'pg_'"
)
OF_THE_APP = sql(
    "NOT (n.nspname = 'public' AND c.relname IN ('_migrations', '_migrations_lock', '_grants', '_loads'))"
)
"""Condition on pg_namespace n and pg_class c: the relation is none of this library's own."""

_RELATION = sql("{ours} AND {of_the_app}", ours=_OURS, of_the_app=OF_THE_APP)

SCHEMAS = sql(
    """\
SELECT quote_ident(n.nspname) AS name
FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
WHERE {ours} AND n.nspname <> 'public' ORDER BY 1""",
    ours=_OURS,
)

DOMAINS = sql(
    """\
SELECT quote_ident(n.nspname) || '.' || quote_ident(t.typname) AS name,
    format_type(t.typbasetype, t.typtypmod) AS type, t.typdefault AS default, t.typnotnull AS not_null,
    ARRAY(SELECT 'CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid)
        FROM pg_constraint k WHERE k.contypid = t.oid ORDER BY k.conname) AS checks
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_roles r ON r.oid = t.typowner
WHERE {ours} AND t.typtype = 'd' ORDER BY 1""",
    ours=_OURS,
)

# Sequences of identity columns are part of their column.
SEQUENCES = sql(
    """\
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
    format_type(s.seqtypid, NULL) AS type, s.seqincrement AS increment, s.seqmin AS minimum,
    s.seqmax AS maximum, s.seqstart AS start, s.seqcache AS cache, s.seqcycle AS cycle
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
JOIN pg_sequence s ON s.seqrelid = c.oid
WHERE {ours} AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i')
ORDER BY 1""",
    ours=_RELATION,
)

# Owned by a column: dropped with it. It takes effect once the table is there.
SEQUENCE_OWNERS = sql(
    """\
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
    quote_ident(tn.nspname) || '.' || quote_ident(t.relname) || '.' || quote_ident(a.attname) AS column
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
JOIN pg_depend d ON d.objid = c.oid AND d.deptype = 'a'
    AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE {ours} AND c.relkind = 'S' ORDER BY 1""",
    ours=_RELATION,
)

FUNCTIONS = sql(
    """\
SELECT quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '('
    || pg_get_function_identity_arguments(p.oid) || ')' AS name,
    pg_get_functiondef(p.oid) AS definition
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner
WHERE {ours} AND p.prokind IN ('f', 'p') ORDER BY 1""",
    ours=_OURS,
)

# One row per column, in order, with the constraints of the table that CREATE TABLE includes.
TABLES = sql(
    """\
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table,
    quote_ident(a.attname) AS column, format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS not_null, a.attidentity::text AS identity, a.attgenerated::text AS generated,
    CASE WHEN a.attstorage <> y.typstorage THEN a.attstorage::text END AS storage,
    s.seqstart AS start, s.seqincrement AS increment, s.seqmin AS minimum, s.seqmax AS maximum,
    s.seqcache AS cache, s.seqcycle AS cycle,
    CASE WHEN q.relname <> c.relname || '_' || a.attname || '_seq'
        THEN quote_ident(qn.nspname) || '.' || quote_ident(q.relname) END AS sequence,
    pg_get_expr(d.adbin, d.adrelid) AS default,
    ARRAY(SELECT 'CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid)
        FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'c') AND k.convalidated
        ORDER BY position(k.contype::text in 'puc'), k.conname) AS constraints
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_depend i ON i.refobjid = c.oid AND i.refobjsubid = a.attnum AND i.deptype = 'i'
    AND i.classid = 'pg_class'::regclass AND i.refclassid = 'pg_class'::regclass AND a.attidentity <> ''
LEFT JOIN pg_sequence s ON s.seqrelid = i.objid
LEFT JOIN pg_class q ON q.oid = i.objid LEFT JOIN pg_namespace qn ON qn.oid = q.relnamespace
WHERE {ours} AND c.relkind = 'r' ORDER BY 1, a.attnum""",
    ours=_RELATION,
)

REFERENCES = sql(
    """\
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table, quote_ident(k.conname) AS name,
    pg_get_constraintdef(k.oid) AS definition,
    quote_ident(fn.nspname) || '.' || quote_ident(f.relname) AS references
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
WHERE {ours} AND k.contype = 'f' AND k.convalidated ORDER BY 1, 2""",
    ours=_RELATION,
)

# Created after all tables, as DSQL requires for constraints that are not validated.
CONSTRAINTS = sql(
    """\
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table, quote_ident(k.conname) AS name,
    pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
WHERE {ours} AND k.contype IN ('c', 'f') AND NOT k.convalidated
ORDER BY 1, 2""",
    ours=_RELATION,
)

INDEXES = sql(
    """\
SELECT quote_ident(n.nspname) || '.' || quote_ident(x.relname) AS name,
    pg_get_indexdef(i.indexrelid) AS definition, i.indisvalid AS valid
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
WHERE {ours} AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid
    AND k.contype IN ('p', 'u'))
ORDER BY 1""",
    ours=_RELATION,
)

STATISTICS = sql(
    """\
SELECT quote_ident(n.nspname) || '.' || quote_ident(s.stxname) AS name,
    pg_get_statisticsobjdef(s.oid) AS definition, s.stxstattarget AS target
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace JOIN pg_roles r ON r.oid = s.stxowner
WHERE {ours} ORDER BY 1""",
    ours=_OURS,
)

VIEWS = sql(
    """\
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, pg_get_viewdef(c.oid) AS query,
    coalesce(c.reloptions, ARRAY[]::text[]) AS options
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
WHERE {ours} AND c.relkind = 'v' ORDER BY 1""",
    ours=_RELATION,
)

VIEW_DEFAULTS = sql(
    """\
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS view, quote_ident(a.attname) AS column,
    pg_get_expr(d.adbin, d.adrelid) AS default
FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.adnum
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
WHERE {ours} AND c.relkind = 'v' ORDER BY 1, 2""",
    ours=_RELATION,
)

# Of relations and columns first, then of everything else that has a name.
COMMENTS = sql(
    """\
SELECT CASE WHEN a.attname IS NOT NULL THEN 'COLUMN' WHEN c.relkind = 'v' THEN 'VIEW'
        WHEN c.relkind = 'S' THEN 'SEQUENCE' WHEN c.relkind = 'i' THEN 'INDEX' ELSE 'TABLE' END AS object,
    quote_ident(n.nspname) || '.' || quote_ident(c.relname)
        || coalesce('.' || quote_ident(a.attname), '') AS name,
    quote_literal(d.description) AS text
FROM pg_description d JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
WHERE {relation}
UNION ALL
SELECT 'SCHEMA', quote_ident(n.nspname), quote_literal(d.description)
FROM pg_description d JOIN pg_namespace n ON n.oid = d.objoid AND d.classoid = 'pg_namespace'::regclass
JOIN pg_roles r ON r.oid = n.nspowner WHERE {ours}
UNION ALL
SELECT 'DOMAIN', quote_ident(n.nspname) || '.' || quote_ident(t.typname), quote_literal(d.description)
FROM pg_description d JOIN pg_type t ON t.oid = d.objoid AND d.classoid = 'pg_type'::regclass
JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_roles r ON r.oid = t.typowner WHERE {ours} AND t.typtype = 'd'
UNION ALL
SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
    quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')',
    quote_literal(d.description)
FROM pg_description d JOIN pg_proc p ON p.oid = d.objoid AND d.classoid = 'pg_proc'::regclass
JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner WHERE {ours}
UNION ALL
SELECT 'CONSTRAINT', quote_ident(k.conname) || ' ON ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname),
    quote_literal(d.description)
FROM pg_description d JOIN pg_constraint k ON k.oid = d.objoid AND d.classoid = 'pg_constraint'::regclass
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner WHERE {relation}
UNION ALL
SELECT 'CONSTRAINT', quote_ident(k.conname) || ' ON DOMAIN ' || quote_ident(n.nspname) || '.' || quote_ident(t.typname),
    quote_literal(d.description)
FROM pg_description d JOIN pg_constraint k ON k.oid = d.objoid AND d.classoid = 'pg_constraint'::regclass
JOIN pg_type t ON t.oid = k.contypid
JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_roles r ON r.oid = t.typowner WHERE {ours}
UNION ALL
SELECT 'STATISTICS', quote_ident(n.nspname) || '.' || quote_ident(s.stxname), quote_literal(d.description)
FROM pg_description d JOIN pg_statistic_ext s ON s.oid = d.objoid AND d.classoid = 'pg_statistic_ext'::regclass
JOIN pg_namespace n ON n.oid = s.stxnamespace JOIN pg_roles r ON r.oid = s.stxowner WHERE {ours}
ORDER BY 1, 2""",
    ours=_OURS,
    relation=_RELATION,
)

QUERIES = {
    "schemas": SCHEMAS,
    "domains": DOMAINS,
    "sequences": SEQUENCES,
    "functions": FUNCTIONS,
    "tables": TABLES,
    "references": REFERENCES,
    "sequence owners": SEQUENCE_OWNERS,
    "constraints": CONSTRAINTS,
    "indexes": INDEXES,
    "statistics": STATISTICS,
    "views": VIEWS,
    "view defaults": VIEW_DEFAULTS,
    "comments": COMMENTS,
}
