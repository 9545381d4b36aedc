"""The tools of the course: `bank stress`, `bank load` and others, run in the folder of a step."""

from __future__ import annotations

from examples.bank.tool.main import main

main()
