"""Shares of a batch: what a process alone does with all of it."""

import torch

from cvs_med.shares import ALONE, Share, SharedBatchNorm


def test_shares_are_a_batch_in_its_order() -> None:
    batch = torch.arange(14).view(7, 2)
    parts = [Share(number, 3).tensor(batch) for number in range(3)]
    assert [len(part) for part in parts] == [3, 2, 2]
    assert torch.equal(torch.cat(parts), batch)
    levels = [Share(number, 3).of({1: batch, 4: -batch}) for number in range(3)]
    assert torch.equal(torch.cat([level[4] for level in levels]), -batch)


def test_alone_everything_is_the_very_same() -> None:
    value = torch.rand(3)
    assert ALONE.tensor(value) is value
    assert ALONE.sum(value) is value
    assert ALONE.mean(value, 3) is value


def test_a_norm_of_one_share_is_pytorch_s() -> None:
    torch.manual_seed(0)
    plain = torch.nn.BatchNorm2d(4).train()
    torch.nn.init.uniform_(plain.weight)
    torch.nn.init.uniform_(plain.bias)
    shared = SharedBatchNorm(plain, ALONE)
    for _ in range(3):
        first = torch.randn(5, 4, 3, 3).requires_grad_()
        second = first.detach().clone().requires_grad_()
        torch.testing.assert_close(shared(first), plain(second))
        shared(first).square().sum().backward()
        plain(second).square().sum().backward()
        torch.testing.assert_close(first.grad, second.grad, atol=1e-5, rtol=1e-4)
    assert shared.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(dict(shared.state_dict()), dict(plain.state_dict()))
    torch.testing.assert_close(shared.eval()(first), plain.eval()(first))
