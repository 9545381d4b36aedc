"""Files of the local database: folder, locks, atomic writes."""
