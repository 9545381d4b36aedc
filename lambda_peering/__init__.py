"""What joins two clusters of a multi-Region database on deploy, and lets both be deleted with their stacks."""
