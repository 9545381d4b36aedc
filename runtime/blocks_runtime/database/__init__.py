"""The database block: an application's side of an Aurora DSQL database."""
