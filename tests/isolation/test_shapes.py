"""Suspending a transaction, or making it lose a conflict, changes only the response of COMMIT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.divergences import BY_ID
from tests.isolation.shape_cases import ALL
from tests.isolation.shapes import Mode, Shape, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster


QUICK = (Mode.PARKED,)
"""The mode of a usual test run; the others are slow only because there are so many shapes."""


def _cases() -> Iterator[object]:
    for shape in ALL:
        for mode in Mode:
            reason = shape.faults.get(mode) or shape.divergences.get(mode)
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            if mode not in QUICK and not reason:
                marks.append(pytest.mark.slow)
            yield pytest.param(shape, mode, id=f"{shape.name}, {mode.name.lower()}", marks=marks)


@pytest.mark.parametrize(("shape", "mode"), list(_cases()))
def test_shape(shape: Shape, mode: Mode, cluster: LocalCluster) -> None:
    """Every response is as expected, and none is slow."""
    run(cluster, shape, mode)


def test_differences_are_registered() -> None:
    """Differences by design are entries of the registry."""
    assert {each for shape in ALL for each in shape.divergences.values()} <= BY_ID.keys()
