"""The dialects by name: each is a day in Aurora DSQL's history, and rules lifted by then are over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Profile:
    """A dialect: what DSQL accepted on the day `as_of`."""

    name: str
    as_of: date
    sentence: str

    def lifts(self, lifted: date | None) -> bool:
        """Tell whether a refusal that ended on the day `lifted` (None: it stands) is over in this dialect."""
        return lifted is not None and lifted <= self.as_of


PORTABLE = Profile(
    "portable", date(2025, 5, 27), "A cautious part, without most of what DSQL learned in 2026; the default."
)
PROFILES = (
    PORTABLE,
    Profile("2026-09", date(2026, 9, 30), "What a cluster answered in September 2026."),
)


def profile(name: str = PORTABLE.name) -> Profile:
    """Return the dialect called `name`; without a name, `portable`.

    Raises:
        ValueError: there is none of that name; the message lists those there are.
    """
    for known in PROFILES:
        if known.name == name:
            return known
    raise ValueError(
        f"unknown dialect {name!r}; choose one of: {', '.join(known.name for known in PROFILES)}"
    )


def first_allowing(lifted: date) -> Profile | None:
    """Return the earliest dialect in which a refusal lifted on that day is over, or None."""
    return next((known for known in PROFILES if known.lifts(lifted)), None)
