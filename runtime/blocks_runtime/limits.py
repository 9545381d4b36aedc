"""Limits of Aurora DSQL on one transaction and on one connection.

Source: AWS user guide, "Cluster quotas and database limits in Amazon Aurora DSQL". Nothing else spells these numbers.
"""

ROWS_PER_TRANSACTION = 3_000
"""Rows that one transaction may change."""

BYTES_PER_TRANSACTION = 10 * 1024 * 1024
"""Bytes of rows that one transaction may change."""

BYTES_PER_MESSAGE = 10 * 1024 * 1024
"""Bytes of one message of the wire protocol: a statement with its values, as they are sent."""

TRANSACTION_SECONDS = 300
"""Seconds that a transaction may be open."""

CONNECTION_SECONDS = 3_600
"""Seconds that a connection may be open."""
