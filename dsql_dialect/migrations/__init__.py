"""Migrations compiled: a folder of `NNN_name.sql` files into one manifest, or all their faults at once."""
