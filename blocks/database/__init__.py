"""The database block: an Aurora DSQL cluster, its migrations and its grants."""
