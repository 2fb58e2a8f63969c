"""ReLU in place, by the sign bit of numbers of 16 bits.

A bfloat16 is negative where its first bit is set, as an int16 is. PyTorch takes the larger of such a number and zero
four times as fast when it is told that it is an integer: its bfloat16 goes through 32 bits and back on a processor.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class SignReLU(nn.Module):
    """What `nn.ReLU(inplace=True)` computes, up to numbers that are none."""

    def forward(self, x: Tensor) -> Tensor:
        """Set to zero what is negative."""
        return rectified(x)


def rectified(x: Tensor) -> Tensor:
    """Set to zero what is negative, in place."""
    if x.dtype is not torch.bfloat16 or x.device.type != "cpu" or torch.compiler.is_compiling():
        return x.relu_()
    if not (x.requires_grad and torch.is_grad_enabled()):
        x.view(torch.int16).clamp_(min=0)
        return x
    found: Tensor = _Rectified.apply(x)  # type: ignore[no-untyped-call] # torch names no type for it
    return found


def by_sign(module: nn.Module) -> None:
    """Put a `SignReLU` in the place of each ReLU that works in place."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ReLU) and child.inplace:
                parent.add_module(name, SignReLU())


class _Rectified(Function):
    """The same for what learns."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401 # torch names no type for it
        x.view(torch.int16).clamp_(min=0)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401 # see above
        (answer,) = ctx.saved_tensors
        found: Tensor = torch.ops.aten.threshold_backward(gradient.view(torch.int16), answer.view(torch.int16), 0)
        return found.view(torch.bfloat16)
