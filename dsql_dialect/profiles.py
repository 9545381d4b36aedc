"""Dialect profiles by name: each is a day in Aurora DSQL's history; refusals lifted by then no longer apply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Profile:
    """A dialect: the SQL that DSQL accepted on the day `as_of`, described in one line of Markdown."""

    name: str
    as_of: date
    description: str

    def lifts(self, lifted: date | None) -> bool:
        """Return whether a refusal that ended on the day `lifted` (None: it stands) is over in this dialect."""
        return lifted is not None and lifted <= self.as_of

    @property
    def has_plpgsql(self) -> bool:
        """True if functions in PL/pgSQL, procedures, CALL and DO are accepted."""
        return self.lifts(PLPGSQL)


PLPGSQL = date(2026, 11, 1)
"""Day since which functions in PL/pgSQL, procedures, CALL and DO are accepted: the `lifted` of the rules on them.

AWS user guide, "Working with PL/pgSQL", read in November 2026; the page has no date. A cluster still refused PL/pgSQL
on 2026-09-18, and AWS's list of limits still refused procedures in October: the day is a careful choice.
"""
SEQUENCES = date(2026, 2, 13)
"""Day since which sequences and identity columns are accepted."""
DOMAINS = date(2026, 9, 16)
"""Day since which domains are accepted."""


PROFILES = (
    Profile(
        "portable",
        date(2025, 5, 27),
        "a cautious subset, without most of what DSQL learned in 2026, for tools and Regions that lack it; if a newer "
        "dialect accepts a refused statement, the refusal says since when, and names the dialect",
    ),
    Profile(
        "2026-09",
        date(2026, 9, 30),
        "what a cluster accepted in September 2026: also foreign keys, views, sequences and identity with a cache, "
        "domains, JSONB columns, DROP COLUMN, partial and expression indexes",
    ),
    Profile(
        "2026-11",
        date(2026, 11, 30),
        "what AWS's pages and others' measurements say by the end of November 2026: also functions and procedures in "
        "PL/pgSQL, CALL, DO, RESET of fixed parameters, other limits and texts; no answer that is new in it is "
        "recorded from a cluster",
    ),
)
"""Every dialect, the oldest first."""

DEFAULT, RECORDED, NEWEST = PROFILES[0], PROFILES[1], PROFILES[-1]
"""The dialect of a project that names none; the one of the recorded cluster; the last one.

The default is the oldest: SQL that it accepts runs on every cluster and in every Region, and a refusal by it names the
dialect to choose. A newer dialect would change the meaning of projects that name none, at each release of this package.
"""

NAMES = tuple(known.name for known in PROFILES)


def profile(name: str = DEFAULT.name) -> Profile:
    """Return the dialect called `name`; without a name, the default one.

    Raises:
        ValueError: there is none of that name; the message lists those there are.
    """
    for known in PROFILES:
        if known.name == name:
            return known
    raise ValueError(f"unknown dialect {name!r}; choose one of: {', '.join(NAMES)}")


def first_allowing(lifted: date) -> Profile | None:
    """Return the earliest dialect in which a refusal lifted on that day is over, or None."""
    return next((known for known in PROFILES if known.lifts(lifted)), None)


def way_out(lifted: date) -> str:
    """Return since when DSQL accepts a feature, why an older dialect refuses it, and how to select a newer one.

    Empty if no dialect accepts it yet.
    """
    newer = first_allowing(lifted)
    if newer is None:
        return ""
    return (
        f"Allowed since {lifted.isoformat()}: choose dialect {newer.name}, by {as_setting(newer)}. "
        "An older dialect leaves out what is newer than its day, for tools and Regions that do not have it yet."
    )


def as_setting(chosen: Profile) -> str:
    """Return how to select a dialect for everything in a project."""
    return f'dialect = "{chosen.name}" under [tool.blocks] in pyproject.toml'


def allowed_in(lifted: date) -> str:
    """Return the first dialect that allows a feature, in words: `dialect 2026-09`."""
    allowing = first_allowing(lifted)
    return "no dialect yet" if allowing is None else f"dialect {allowing.name}"
