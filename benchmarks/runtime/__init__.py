"""Cost of the runtime and its peers on one local database: `python -m benchmarks.runtime`."""
