"""Optimistic concurrency, exactly, over PostgreSQL 16, which is pessimistic."""
