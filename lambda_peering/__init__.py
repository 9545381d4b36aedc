"""The peering function: peers the two clusters of a multi-Region database, and deletes the peer with the stacks."""
