"""Asynchronous jobs: index builds and validations of constraints, as DSQL runs them after COMMIT."""
