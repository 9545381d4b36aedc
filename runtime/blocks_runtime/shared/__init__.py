"""Modules that every block uses."""
