"""What the time of a step goes to."""

from collections import Counter

import pytest
import torch
from torch.profiler import record_function

from cvs_med.benchmark import profile
from cvs_med.benchmark.steps import STEPS


def steps() -> None:
    """Train a small network; only its loss takes logarithms and sines."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Sigmoid())
    for _ in range(STEPS):
        seen = network(torch.ones(1, 3, 8, 8))
        with record_function("loss"):
            loss = seen.log().sin().sum()
        torch.autograd.backward(loss)


def test_operators_have_their_kind_and_a_loss_s_backward_pass_is_its_own() -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as recorded:
        steps()
    found = Counter((event.name, part) for part, event in profile.grouped(recorded.events() or []))
    times = {name: {part: count for (each, part), count in found.items() if each == name} for name, _ in found}
    assert times["aten::sin"] == times["aten::cos"] == times["aten::log"] == {"loss": STEPS}
    assert times["aten::sigmoid"] == times["aten::sigmoid_backward"] == {"elementwise": STEPS}
    assert times["aten::conv2d"] == times["aten::convolution_backward"] == {profile.CONVOLUTION: STEPS}
    assert times["aten::native_batch_norm_backward"] == {"norm": STEPS}


def test_all_kinds_have_some_time() -> None:
    spent = profile.of_steps(steps, torch.device("cpu"))
    assert {profile.CONVOLUTION, "norm", "elementwise", "loss"} <= set(spent)
    assert all(time >= 0 for time in spent.values())


def test_the_parts_stand_beside_the_step_the_longest_first() -> None:
    ratios = profile.ratios(Counter({"norm": 1.0, "loss": 3.0}))
    assert [ratio.what for ratio in ratios] == ["loss : profiled step", "norm : profiled step"]
    assert [ratio.ratio for ratio in ratios] == pytest.approx([0.75, 0.25])
