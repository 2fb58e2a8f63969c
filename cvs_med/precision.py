"""How numbers are computed: bf16 where the machine is made for it, 32 bits elsewhere."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, TypeVar

import torch
from torch import nn

Precision = Literal["bf16", "fp32"]
Placed = TypeVar("Placed", bound=nn.Module)


def choose(wanted: Literal["auto", "bf16", "fp32"], device: torch.device) -> Precision:
    """Settle `auto`: bf16 where processor or GPU has instructions for it (elsewhere it is slower than 32 bits)."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"


def place(module: Placed, device: torch.device) -> Placed:
    """Move a network to its device, convolution kernels with the channels last."""
    return module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return] # torch's types lack it


def computing(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Give the context in which a network computes."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
