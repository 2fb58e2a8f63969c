"""Where the time of a training step goes: the network's operators by kind, and what is done around the network."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import torch
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile

from cvs_med.benchmark.rounds import Ratio
from cvs_med.benchmark.steps import PARTS, STEPS

CONVOLUTION, REST = "convolutions and products", "outside of operators"

_KINDS = {
    "resampling": ("upsample", "pool", "grid_sampl"),  # Before "linear", which "bilinear" holds too.
    CONVOLUTION: ("conv", "mm", "linear"),
    "norm": ("norm",),
    "copies": ("copy", "cat", "index", "clone"),
}
"""Kinds of operators by what their names hold; all others go through numbers one by one."""

_ELEMENTWISE = "elementwise"


def of_steps(steps: Callable[[], None], device: torch.device) -> Counter[str]:
    """Run training steps under PyTorch's profiler and give the milliseconds a step by what they are spent on.

    On a GPU the time is that of its kernels. The backward pass of the losses counts as `loss`; `REST` is Python and
    whatever else no operator accounts for.
    """
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    steps()
    with profile(activities=activities) as recorded, torch.profiler.record_function(REST):
        steps()
    found: Counter[str] = Counter()
    for group, event in grouped(recorded.events() or []):
        found[group] += (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1000 / STEPS
    return found


def ratios(spent: Counter[str]) -> tuple[Ratio, ...]:
    """Set each part beside the whole step, the longest first."""
    whole, parts = spent.total(), spent.most_common()
    return tuple(Ratio(f"{name} : profiled step", time, whole, time / whole, "ms") for name, time in parts)


def grouped(events: Sequence[FunctionEvent]) -> Iterator[tuple[str, FunctionEvent]]:
    """Say of each event that PyTorch's profiler recorded what its time is spent on."""
    in_loss = [
        range(min(numbers), max(numbers) + 1)
        for event in events
        if event.name == "loss" and (numbers := [each.sequence_nr for each in _below(event) if each.sequence_nr >= 0])
    ]
    for event in events:
        above = list(_above(event))
        part = next((each.name for each in above if each.name in PARTS), None)
        # A node of the backward pass has the number of the operator that it differentiates.
        differentiated = [each.sequence_nr for each in above if each.name.startswith("autograd::engine")]
        if any(number in numbers for number in differentiated for numbers in in_loss):
            part = "loss"
        yield part or _kind(event.name), event


def _kind(name: str) -> str:
    if not name.startswith("aten::") or name == REST:
        return REST
    return next((kind for kind, words in _KINDS.items() if any(word in name for word in words)), _ELEMENTWISE)


def _above(event: FunctionEvent) -> Iterator[FunctionEvent]:
    """Give an event and all that it lies in, from the inside out."""
    yield event
    if event.cpu_parent is not None:
        yield from _above(event.cpu_parent)


def _below(event: FunctionEvent) -> Iterator[FunctionEvent]:
    for child in event.cpu_children:
        yield child
        yield from _below(child)
