"""What the runtime costs beside its peers, all against one local database: `python -m benchmarks.runtime`."""
