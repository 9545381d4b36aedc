"""Correction of a migration that has failed: the way that fits the part of it that is committed."""

from __future__ import annotations


def after_failure(name: str, done: int, rows: int) -> str:
    """Return how the migration `name` is corrected.

    `done` is the number of its completed statements, `rows` the number of rows that it has changed.
    """
    if not (done or rows):
        return "correct the file and migrate again"
    way = f"{in_file(name, done)}, and migrate again"
    return f"correct the rows that contradict it and migrate again; if the file is wrong, {way}"


def in_file(name: str, done: int) -> str:
    """Return how the file of a partly completed migration is corrected, with the command that the journal needs.

    Without a completed statement it is a batch, of which some runs are committed.
    """
    if done:
        completed = "first statement, which is" if done == 1 else f"first {done} statements, which are"
        return (
            f"leave only the {completed} done, in {name}.sql, write the others, corrected, into a new file with a "
            f"higher number, run `blocks repair {name} --applied`"
        )
    return (
        f"correct it, run `blocks repair {name} --pending`, by which the batch is repeated for the other rows"
    )
