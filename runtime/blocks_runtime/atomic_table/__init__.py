"""The runtime of `AtomicTable`: items with versions, atomic writes and optimistic locks."""
