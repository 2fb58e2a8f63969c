"""One training by several processes: each has a share of every batch, and all take the step that one would take.

What a loss or a batch norm sums over the whole batch is summed over all shares, forwards and backwards. Gradients are
then averaged, as DistributedDataParallel does: every process has the loss of the whole batch, so its gradient by its
own part comes once for each process, and the average is the gradient of one process with the whole batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several processes has of a batch.

    Attributes:
        number: of the process, from zero.
        count: of the processes.
    """

    number: int = 0
    count: int = 1

    def of(self, values: Tensor | Mapping[int, Tensor]) -> Tensor | Mapping[int, Tensor]:
        """Take this share of a batch, along the first dimension; of alone processes it is all."""
        if isinstance(values, Tensor):
            return self.tensor(values)
        return {level: self.tensor(value) for level, value in values.items()}

    def tensor(self, values: Tensor) -> Tensor:
        """Take this share of one tensor (B, ...); the first shares have one more where B is no multiple."""
        return values if self.count == 1 else values.tensor_split(self.count)[self.number]

    def sum(self, value: Tensor) -> Tensor:
        """Add up what all shares have, with its gradient."""
        if self.count == 1:
            return value
        total: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call] # torch gives it no types
        return total

    def mean(self, value: Tensor, cases: int) -> Tensor:
        """Give the mean over the whole batch from that over the cases of this share."""
        if self.count == 1:
            return value
        of_all = self.sum(torch.tensor(float(cases), device=value.device))
        return self.sum(value * (cases / of_all))


ALONE = Share()
"""The share of a process that has the whole batch."""


class _Sum(torch.autograd.Function):
    """The sum over all processes; the gradient of each is the sum of all gradients.

    PyTorch's own, in `torch.distributed.nn`, is deprecated, and what it names instead has no gradient.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ANN401 - torch gives no type
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401 - torch gives no type
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm by the images of all shares, also on processors, where PyTorch's own SyncBatchNorm does not work."""

    def __init__(self, norm: nn.BatchNorm2d, share: Share) -> None:
        """Take over the weights and statistics of a batch norm."""
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self.share = share
        self.load_state_dict(norm.state_dict())
        self.train(norm.training)
        for parameter, own in zip(norm.parameters(), self.parameters(), strict=True):
            own.requires_grad_(parameter.requires_grad)

    def forward(self, x: Tensor) -> Tensor:
        """Norm (B, C, H, W), in training by mean and variance over all shares."""
        if not self.training:
            return super().forward(x)
        values = x.float()
        count = self.share.sum(torch.tensor(float(values.numel() / values.shape[1]), device=x.device))
        mean = self.share.sum(values.sum(dim=(0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = self.share.sum(centred.square().sum(dim=(0, 2, 3))) / count
        self._remember(mean.detach(), (variance * (count / (count - 1).clamp_min(1))).detach())
        normed = centred * ((variance + self.eps).rsqrt() * self.weight)[:, None, None] + self.bias[:, None, None]
        return normed.to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, as `nn.BatchNorm2d` does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def with_shared_norms(model: nn.Module, share: Share) -> None:
    """Put a `SharedBatchNorm` in the place of every batch norm of a network that learns."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d) and not isinstance(child, SharedBatchNorm):
                setattr(module, name, SharedBatchNorm(child, share))
