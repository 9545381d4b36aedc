"""Connections of the command line to a database."""
