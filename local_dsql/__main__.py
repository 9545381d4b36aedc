"""`python -m local_dsql`: run a local cluster in the foreground."""

from local_dsql.cli import serve

if __name__ == "__main__":
    serve(prog_name="python -m local_dsql")
