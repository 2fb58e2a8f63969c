"""The machine's limits."""

from pathlib import Path

import pytest

from cvs_med.benchmark import limits
from cvs_med.protocol import load

TINY = ("network.backbone=wideresnet-10-1", "training.batch_size=4", "training.precision=fp32")


def test_the_machine_s_limits_stand_beside_what_a_step_reaches(mnist: Path, tmp_path: Path) -> None:
    result = limits.limits(
        load("paper/mnist-wideresnet", TINY), data_dir=mnist, cache_dir=tmp_path, accelerator="cpu", workers=1, rounds=1
    )
    reached, alone, products, *parts = result.ratios
    assert 0 < reached.ratio < alone.ratio
    assert reached.other == alone.other == products.other  # The step is of 32 bits.
    assert sum(part.ratio for part in parts) == pytest.approx(1)
    assert {"data", "loss", "optimiser", "norm"} <= {part.what.partition(" : ")[0] for part in parts}
