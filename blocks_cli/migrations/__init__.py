"""Shared by the commands on migrations: folder, database, output of states and findings."""
