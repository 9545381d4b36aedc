"""The project of the tests on migrations, for files beside it."""

from __future__ import annotations

from tests.blocks_cli.migrations.conftest import cluster_keys, project, running

__all__ = ["cluster_keys", "project", "running"]
