"""Fault injection: which COMMIT fails, and with which error."""
