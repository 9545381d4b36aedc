"""The PostgreSQL wire protocol, version 3: frames, messages, TLS, and one connection to the backend.

Nothing in here knows what DSQL is. A frame is a pair of its type byte and its bytes (header included), so that what
is only passed on is never taken apart.
"""
