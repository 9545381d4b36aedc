"""Programs that a machine may lack; their tests are skipped there, and say so."""

from __future__ import annotations

import shutil

import pytest

needs_psql = pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")
