"""Marks that skip tests if a program is not installed."""

from __future__ import annotations

import shutil

import pytest

needs_psql = pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")
