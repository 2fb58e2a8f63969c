"""What the time of a step goes to."""

from collections import Counter

import torch
from torch.profiler import record_function

from cvs_med.benchmark import profile
from cvs_med.benchmark.steps import STEPS

CPU = torch.device("cpu")


def spent(*, heavy_loss: bool) -> Counter[str]:
    """Profile steps of a small convolution and a large loss, or the other way round."""
    network = torch.nn.Conv2d(3, 3, 3)
    images = torch.ones(1, 3, *((8, 8) if heavy_loss else (256, 256)))

    def steps() -> None:
        for _ in range(STEPS):
            seen = network(images)
            with record_function("loss"):
                loss = (seen.sum() + torch.ones(2_000_000 if heavy_loss else 1)).exp().log().mean()
            torch.autograd.backward(loss)

    return profile.of_steps(steps, CPU)


def test_time_goes_to_what_takes_it_and_a_loss_s_backward_pass_is_its_own() -> None:
    small, large = spent(heavy_loss=False), spent(heavy_loss=True)
    assert small.most_common(1)[0][0] == profile.CONVOLUTION
    assert large.most_common(1)[0][0] == "loss"
    assert large["elementwise"] < 0.1 * large["loss"]


def test_the_parts_add_up_to_the_step() -> None:
    ratios = profile.ratios(Counter({"norm": 1.0, "loss": 3.0}))
    assert [(ratio.what, ratio.ratio) for ratio in ratios] == [
        ("loss : profiled step", 0.75), ("norm : profiled step", 0.25)
    ]  # fmt: skip
