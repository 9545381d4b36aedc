"""The commands of `blocks`, one module each."""
