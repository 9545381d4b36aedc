"""Bulk transfer between files and a table: load and dump, both resumable."""
