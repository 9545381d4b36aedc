"""Asynchronous jobs: index builds and constraint validations, which DSQL runs after COMMIT."""
