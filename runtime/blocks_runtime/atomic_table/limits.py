"""Limits of Amazon DynamoDB that are checked before a call.

Source: AWS developer guide, "Quotas in Amazon DynamoDB" and the API reference of the operations. Nothing else spells
these numbers.
"""

KIBIBYTE = 1024

ITEM_BYTES = 400 * KIBIBYTE
"""Bytes of one item, names of attributes included."""

PARTITION_KEY_BYTES = 2 * KIBIBYTE
"""Bytes of `pk` in UTF-8."""

SORT_KEY_BYTES = KIBIBYTE
"""Bytes of `sk` in UTF-8."""

ACTIONS = 100
"""Actions of one atomic write, or items of one atomic read; each of another item."""

TRANSACTION_BYTES = 4 * KIBIBYTE * KIBIBYTE
"""Bytes of all items of one atomic write."""

BATCH_WRITES = 25
"""Items of one BatchWriteItem."""

BATCH_READS = 100
"""Items of one BatchGetItem."""

NESTING = 32
"""Levels of lists and maps within each other."""

NAME_BYTES = 64 * KIBIBYTE - 1
"""Bytes of the name of an attribute in UTF-8, of a key in a map, too; at least 1."""

DIGITS = 38
"""Significant digits of a number."""

SMALLEST_EXPONENT, LARGEST_EXPONENT = -130, 125
"""Exponents of the smallest and the largest number, as in 1E-130 and 9.99E+125."""

TOKEN_SECONDS = 600
"""Seconds for which a request with the same ClientRequestToken is recognized as the same write."""
