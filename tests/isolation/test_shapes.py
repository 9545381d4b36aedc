"""Tables and statements of awkward shapes: to be parked, and to lose, shows nowhere but in COMMIT's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.isolation.shape_cases import ALL
from tests.isolation.shapes import Mode, Shape, run

if TYPE_CHECKING:
    from local_dsql import LocalCluster


def _cases() -> list[object]:
    return [
        pytest.param(
            shape,
            mode,
            id=f"{shape.name}, {mode.name.lower()}",
            marks=[pytest.mark.xfail(strict=True, reason=reason)] if reason else [],
        )
        for shape in ALL
        for mode in Mode
        for reason in [shape.open_faults.get(mode)]
    ]


@pytest.mark.parametrize(("shape", "mode"), _cases())
def test_shape(shape: Shape, mode: Mode, cluster: LocalCluster) -> None:
    """Every answer is as expected, and none took long."""
    run(cluster, shape, mode)
