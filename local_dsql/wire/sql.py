"""Quoting for the SQL that the proxy itself writes."""

from __future__ import annotations


def literal(value: str | None) -> str:
    """Return a text as an SQL literal, valid for either value of standard_conforming_strings."""
    if value is None:
        return "NULL"
    quoted = value.replace("'", "''")
    return " E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"


def identifier(name: str) -> str:
    """Return a name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'
