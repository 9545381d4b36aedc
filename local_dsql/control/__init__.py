"""JSON-lines protocol between a client process and the server process."""
