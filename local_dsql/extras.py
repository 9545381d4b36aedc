"""What a program says that was installed without the packages it needs."""

from __future__ import annotations

import sys
from typing import NoReturn


def explain_missing(program: str, extra: str) -> NoReturn:
    """End a program that a bare `pip install blocks-dsql` has put on PATH, naming the extra that it needs."""
    print(
        f"error: {program}: its packages are not installed\n"
        "  why: `blocks-dsql` alone is what a function needs at run time\n"
        f"  do:  pip install 'blocks-dsql[{extra}]'",
        file=sys.stderr,
    )
    sys.exit(2)
