"""PostgreSQL's wire protocol, version 3: frames, messages, TLS, and a connection to a PostgreSQL backend.

This package does not know DSQL. A frame is a pair of its type byte and its bytes, header included, so that relayed
frames are never taken apart.
"""
