"""A model of snapshot isolation in which the first committer wins, for one table `(id, g, v)`.

It predicts every count, every row that is read, every COMMIT, and the table at the end. What it knows of DSQL beyond
snapshot isolation: a lock taken FOR UPDATE counts as a write, and a doomed transaction's statements succeed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = tuple[int, str]


@dataclass
class Store:
    """Committed rows, and the commit that last wrote each key."""

    rows: dict[int, Value] = field(default_factory=dict)
    written: dict[int, int] = field(default_factory=dict)
    commits: int = 0


@dataclass
class Model:
    """One transaction."""

    store: Store
    snapshot: dict[int, Value] = field(init=False)
    began: int = field(init=False)
    own: dict[int, Value | None] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    doomed: bool = False

    def __post_init__(self) -> None:
        self.snapshot = dict(self.store.rows)
        self.began = self.store.commits

    def view(self) -> dict[int, Value]:
        """The rows that it sees."""
        rows = {**self.snapshot, **self.own}
        return {key: value for key, value in rows.items() if value is not None}

    def net(self) -> set[int]:
        """The keys that it commits: not those that it made and unmade."""
        return {
            key for key in self.touched if self.own.get(key, self.snapshot.get(key)) or key in self.snapshot
        }

    def lost(self, also: set[int] | frozenset[int] = frozenset()) -> bool:
        """Return whether another transaction has committed over its keys, or over `also`."""
        return any(self.store.written.get(key, 0) > self.began for key in self.net() | also)

    def update(self, keys: set[int], text: str) -> None:
        """Write new values."""
        for key in keys:
            self.own[key] = (self.view()[key][0], text)
        self.touched |= keys

    def insert(self, key: int, value: Value) -> None:
        """Make a row."""
        self.own[key] = value
        self.touched.add(key)

    def delete(self, keys: set[int]) -> None:
        """Remove rows."""
        for key in keys:
            self.own[key] = None
        self.touched |= keys

    def commit(self) -> bool:
        """Commit; return whether it won."""
        net = self.net()
        if net and (self.lost() or self.doomed):
            return False
        if net:
            self.store.commits += 1
        view = self.view()
        for key in net:
            self.store.written[key] = self.store.commits
            if key in view:
                self.store.rows[key] = view[key]
            else:
                self.store.rows.pop(key, None)
        return True
