"""Conformance suite: responses recorded from a real Aurora DSQL cluster, and pytest tests that compare any cluster.

    pytest --pyargs local_dsql.conformance                          # a local cluster, started by the suite
    pytest --pyargs local_dsql.conformance --dsn postgresql://…     # any other; the password is a token

The recordings are in `facts/*.toml`, one file per topic; `facts/README.md` names their sources. The suite creates and
drops only objects whose names begin with `fact_`.
"""
