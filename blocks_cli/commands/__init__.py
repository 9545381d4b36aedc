"""The commands of `blocks`, one per module."""
