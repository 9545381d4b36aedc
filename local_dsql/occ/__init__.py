"""Optimistic concurrency over PostgreSQL, which is pessimistic: see `local_dsql.occ.engine`."""
