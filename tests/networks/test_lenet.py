"""LeNet-5, against its known count and itself written out as a sequence."""

import pytest
import torch
from torch import Tensor, nn

from cvs_med.networks.lenet import LeNetEncoder, LeNetHead


def answer(encoder: LeNetEncoder, head: LeNetHead, x: Tensor) -> Tensor:
    return head(dict(enumerate(encoder(x))), torch.ones(len(x), *x.shape[2:])).class_logits


def test_it_has_61706_parameters() -> None:
    parts = LeNetEncoder(), LeNetHead(10)
    assert sum(weight.numel() for part in parts for weight in part.parameters()) == 61_706


def test_it_is_the_sequence_of_the_paper() -> None:
    torch.manual_seed(0)
    encoder, head = LeNetEncoder(), LeNetHead(10)
    classic = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip
    values = [*encoder.state_dict().values(), *head.state_dict().values()]
    own = classic.state_dict()
    classic.load_state_dict({name: value.view(own[name].shape) for name, value in zip(own, values, strict=True)})
    grey = torch.randn(3, 1, 32, 32)
    torch.testing.assert_close(answer(encoder, head, grey.expand(-1, 3, -1, -1)), classic(grey))


def test_28_pixels_get_a_border_of_the_shade_at_their_edge() -> None:
    torch.manual_seed(0)
    encoder, head = LeNetEncoder(), LeNetHead(10)
    digit = torch.full((2, 3, 32, 32), -1.5)
    digit[:, :, 10:20, 12:22] = torch.randn(10, 10)
    torch.testing.assert_close(answer(encoder, head, digit[:, :, 2:30, 2:30]), answer(encoder, head, digit))


@pytest.mark.parametrize("side", [28, 32])
def test_both_sizes_give_the_same_cells(side: int) -> None:
    maps = LeNetEncoder()(torch.randn(2, 3, side, side))
    assert [tuple(found.shape) for found in maps] == [(2, 6, 14, 14), (2, 16, 5, 5)]


def test_it_reads_shades_of_grey() -> None:
    torch.manual_seed(0)
    encoder, x = LeNetEncoder(), torch.randn(2, 3, 32, 32)
    grey = x.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    torch.testing.assert_close(encoder(x)[-1], encoder(grey)[-1])


def test_every_weight_is_trained() -> None:
    torch.manual_seed(0)
    encoder, head = LeNetEncoder(), LeNetHead(10)
    answer(encoder, head, torch.randn(4, 3, 28, 28)).square().sum().backward()
    assert all(w.grad is not None and w.grad.abs().max() > 0 for part in (encoder, head) for w in part.parameters())
