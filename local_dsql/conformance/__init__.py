"""What a real Aurora DSQL cluster answered, as a table of facts, and a pytest suite that asks any cluster.

    pytest --pyargs local_dsql.conformance                          # a local cluster, started for it
    pytest --pyargs local_dsql.conformance --dsn postgresql://…     # any other; the password is a token

The facts are in `facts/*.toml`, one file a topic; `facts/README.md` says where they are from. On the cluster
the suite makes and drops objects whose names begin with `fact_`, and touches no other.
"""
