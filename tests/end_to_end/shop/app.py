"""The shop as a script: `python app.py MIGRATIONS OUTPUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.end_to_end.shop.stack import synthesize

synthesize(Path(sys.argv[1]), Path(sys.argv[2]))
