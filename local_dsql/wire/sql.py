"""Quoting for the statements that the front itself writes."""

from __future__ import annotations


def literal(value: str | None) -> str:
    """Return a text as an SQL literal, whatever standard_conforming_strings says."""
    if value is None:
        return "NULL"
    quoted = value.replace("'", "''")
    return " E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"


def identifier(name: str) -> str:
    """Return a name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'
