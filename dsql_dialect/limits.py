"""Limits of Aurora DSQL: on a transaction, a connection, a row and a value.

Source: AWS user guide, "Cluster quotas and database limits in Amazon Aurora DSQL". Nothing else here spells these
numbers; `blocks_runtime`, which runs without this package, repeats those that it needs in `contract.py`.
"""

MEBIBYTE = 1024 * 1024

ROWS_PER_TRANSACTION = 3_000
"""Rows that one transaction may change."""

BYTES_PER_TRANSACTION = 10 * MEBIBYTE
"""Bytes of rows that one transaction may change."""

TRANSACTION_SECONDS = 300
"""Seconds that a transaction may be open."""

CONNECTION_SECONDS = 3_600
"""Seconds that a connection may be open."""

BYTES_PER_ROW = 2 * MEBIBYTE
"""Bytes of one row, as stored."""

BYTES_PER_VALUE = MEBIBYTE
"""Bytes of one value, as stored."""

BYTES_PER_MESSAGE = 10 * MEBIBYTE
"""Bytes of one message of the wire protocol."""
