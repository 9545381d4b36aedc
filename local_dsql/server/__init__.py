"""The server process: PostgreSQL instance, endpoints, request handlers."""
