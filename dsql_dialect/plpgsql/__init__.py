"""Bodies in PL/pgSQL: the SQL in them, with its place in the file, under the same rules as other SQL."""

from dsql_dialect.plpgsql.fragments import Fragment, FragmentKind, PlpgsqlSyntaxError, Reading
from dsql_dialect.plpgsql.reader import read

__all__ = ["Fragment", "FragmentKind", "PlpgsqlSyntaxError", "Reading", "read"]
