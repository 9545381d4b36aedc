"""Client side of the local database: start the server process or attach to it."""
