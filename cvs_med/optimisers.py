"""The optimiser: what learns at which rate, and steps that pass once over each weight."""

from typing import Any, Final

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from cvs_med.networks import Network
from cvs_med.networks.head import Head
from cvs_med.protocol_sections import Training

_AS_IT_LIES: Final = (0, 2, 3, 1)
"""Order of a kernel's axes in memory where it is kept `channels_last`."""

_BACK: Final = (0, 3, 1, 2)


def build_optimiser(model: Network | Head, settings: Training, *, fused: bool | None = True) -> Optimizer:
    """Build the optimiser; the linear part of a CvS head has a rate and a decay of its own.

    Args:
        model: what is trained.
        settings: its optimiser and rates.
        fused: whether a step passes once over each weight, its gradient and its moments, rather than once for each
            term of its formula; None leaves it to PyTorch, whose default is not to.
    """
    head = model.head if isinstance(model, Network) else model
    linear = head.linear_parameters()
    own = {id(parameter) for parameter in linear}
    rest = [value for value in model.parameters() if value.requires_grad and id(value) not in own]
    groups: list[dict[str, Any]] = [{"params": rest, "rate": 1.0, "weight_decay": settings.weight_decay}]
    if linear:
        groups.append({"params": linear, "rate": settings.context_rate, "weight_decay": settings.context_decay})
    optimiser: Optimizer
    if settings.optimiser == "adamw":
        optimiser = AdamW(groups, lr=settings.learning_rate, fused=fused)
    else:
        nesterov = settings.momentum > 0
        optimiser = SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, nesterov=nesterov, fused=fused)
    if fused:
        _show_as_it_lies(optimiser, [*rest, *linear])
    return optimiser


def _show_as_it_lies(optimiser: Optimizer, weights: list[nn.Parameter]) -> None:
    """Show a fused optimiser on a processor each kernel in the order in which it lies in memory.

    The fused steps of PyTorch 2.13 copy every gradient that lies in another order than its axes have, and then go on
    with the gradient itself: half of a step's time with `channels_last`. The numbers are the same. Moments are kept in
    this order, too.
    """
    turned: list[nn.Parameter] = []

    def show(*_: object) -> None:
        for weight in filter(_lies_in_another_order, weights):
            _reorder(weight, _AS_IT_LIES)
            turned.append(weight)

    def put_back(*_: object) -> None:
        while turned:
            _reorder(turned.pop(), _BACK)

    def stay_fused(loaded: Optimizer) -> None:  # A state from before this was fused says that it is not.
        for group in loaded.param_groups:
            group["fused"] = True

    optimiser.register_step_pre_hook(show)
    optimiser.register_step_post_hook(put_back)
    optimiser.register_load_state_dict_post_hook(stay_fused)


def _lies_in_another_order(weight: nn.Parameter) -> bool:
    last = torch.channels_last
    return (
        weight.device.type == "cpu"
        and weight.grad is not None
        and weight.dim() == 4
        and not weight.is_contiguous()
        and weight.is_contiguous(memory_format=last)
        and weight.grad.is_contiguous(memory_format=last)
    )


def _reorder(weight: nn.Parameter, axes: tuple[int, ...]) -> None:
    """Name the axes of a weight and its gradient in another order; nothing moves in memory."""
    gradient, weight.grad = weight.grad, None  # PyTorch refuses a gradient of another shape than its weight.
    weight.data = weight.data.permute(axes)
    weight.grad = None if gradient is None else gradient.permute(axes)
