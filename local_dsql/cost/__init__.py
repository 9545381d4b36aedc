"""Cost of transactions in DPU: AWS's formulas, and what the local database sees of a workload."""
