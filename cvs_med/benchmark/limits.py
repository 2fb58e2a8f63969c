"""What the machine can do at most, beside what a training step reaches."""

import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from cvs_med import environment
from cvs_med.benchmark import profile
from cvs_med.benchmark.rounds import Ratio, Result, alternate
from cvs_med.benchmark.sources import fresh, require_trained_whole, training_part
from cvs_med.benchmark.steps import stepper
from cvs_med.precision import choose
from cvs_med.protocol import Protocol

_PRODUCTS = 4
"""Products of matrices that one round times."""

_PEAK_SIDE = {"cpu": 2048, "cuda": 8192}
"""Side of these matrices: so large that a larger one is not faster."""


def limits(
    protocol: Protocol, *, data_dir: Path | None, cache_dir: Path, accelerator: str, workers: int, rounds: int
) -> Result:
    """Time the machine's fastest product of two matrices, say what share of it a training step reaches, and profile it.

    The step's operations are those of convolutions and products in its forward and backward pass, as PyTorch counts
    them; all else that it does is time without any, and the profile says what.

    Raises:
        CvsMedError: protocol or data are not as they should be, or the encoder is frozen.
    """
    require_trained_whole(protocol)
    source = training_part(protocol, torch.device(accelerator), data_dir, cache_dir, workers)
    precision = choose(protocol.training.precision, source.device)
    steps = stepper(fresh(protocol, source), source, protocol, precision, torch.channels_last)
    with FlopCounterMode(display=False) as counter:
        steps()
    work = counter.get_total_flops() / 1e9
    side = _PEAK_SIDE[source.device.type]
    product, product_32 = (_product(side, source.device, numbers) for numbers in (torch.bfloat16, torch.float32))
    seconds = alternate([steps, product, product_32], rounds)
    ours, peak, peak_32 = (statistics.median(times) for times in seconds)
    rates = work / ours, _PRODUCTS * 2 * side**3 / 1e9 / peak, _PRODUCTS * 2 * side**3 / 1e9 / peak_32
    used = rates[1] if precision == "bf16" else rates[2]
    spent = profile.of_steps(steps, source.device)
    alone = rates[0] * spent.total() / spent[profile.CONVOLUTION]
    ratios = (
        Ratio(f"training step, {precision} : matrix products", rates[0], used, rates[0] / used, "GFLOP/s"),
        Ratio("its convolutions and products alone : matrix products", alone, used, alone / used, "GFLOP/s"),
        Ratio("matrix products, bf16 : fp32", rates[1], rates[2], rates[1] / rates[2], "GFLOP/s"),
        *profile.ratios(spent),
    )
    return Result(ratios, rounds, environment.describe(source.device, precision))


def _product(side: int, device: torch.device, numbers: torch.dtype) -> Callable[[], None]:
    """Give a function that multiplies two square matrices a few times."""
    left, right = (torch.ones(side, side, device=device, dtype=numbers) for _ in range(2))
    into = torch.empty_like(left)

    def products() -> None:
        for _ in range(_PRODUCTS):
            torch.mm(left, right, out=into)

    return products
