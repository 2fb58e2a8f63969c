import pytest
import torch
from torch import nn

from cvs_med.networks.deeplab import DeepLabHead, SingleValueBatchNorm


def features(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 32, 9, 7, generator=torch.Generator().manual_seed(0))


def head(output_stride: int = 16) -> DeepLabHead:
    torch.manual_seed(0)
    return DeepLabHead(32, 4, output_stride=output_stride)


@pytest.mark.parametrize("batch", [1, 2])
def test_logits_come_at_the_resolution_of_the_features_in_training(batch: int) -> None:
    net = head().train()
    logits = net(features(batch))
    assert logits.shape == (batch, 4, 9, 7)
    logits.square().sum().backward()
    assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in net.parameters())


def test_a_batch_of_one_teaches_the_pooled_branch_too() -> None:
    net = head().train()
    net(features(1)).square().sum().backward()
    pooled = net[0].convs[4][1].weight.grad
    assert pooled is not None
    assert pooled.abs().max() > 0


def test_batches_of_one_leave_the_running_statistics_of_the_pooled_branch() -> None:
    # Worn down by zero variances, they would make evaluation another function than training.
    net = head().train()
    for _ in range(5):
        net(features(1))
    norm = net[0].convs[4][2]
    assert torch.equal(norm.running_mean, torch.zeros(256))
    assert torch.equal(norm.running_var, torch.ones(256))


@pytest.mark.parametrize("training", [True, False])
def test_larger_batches_are_normalised_as_ever(training: bool) -> None:
    ours, reference = SingleValueBatchNorm(5).train(training), nn.BatchNorm2d(5).train(training)
    x = torch.randn(4, 5, 1, 1)
    for _ in range(2):
        assert torch.equal(ours(x), reference(x))
    assert all(torch.equal(ours.state_dict()[key], value) for key, value in reference.state_dict().items())


def test_the_keys_are_torchvisions() -> None:
    keys = head().state_dict().keys()
    assert {
        "0.convs.0.0.weight",
        "0.convs.3.1.running_mean",
        "0.convs.4.1.weight",
        "0.convs.4.2.bias",
        "0.project.0.weight",
        "0.project.1.weight",
        "1.weight",
        "2.running_var",
        "4.weight",
        "4.bias",
    } <= keys
    # torchvision documents 42,004,074 for deeplabv3_resnet50; the encoder has 23,508,032, the auxiliary head 2,365,205.
    count = sum(weight.numel() for weight in DeepLabHead(2048, 21, output_stride=8).parameters())
    assert count == 42_004_074 - 23_508_032 - 2_365_205


@pytest.mark.parametrize(("output_stride", "rates"), [(8, [12, 24, 36]), (16, [6, 12, 18]), (32, [3, 6, 9])])
def test_the_rates_follow_the_output_stride(output_stride: int, rates: list[int]) -> None:
    dilated = [branch[0] for branch in head(output_stride)[0].convs[1:4]]
    assert [convolution.dilation for convolution in dilated] == [(rate, rate) for rate in rates]


def test_the_pooled_branch_sees_the_whole_image_and_is_the_same_everywhere() -> None:
    branch = head().eval()[0].convs[4]
    x = features()
    there = branch(x)
    assert torch.equal(there, there[:, :, :1, :1].expand_as(there))
    x[:, :, 0, 0] += 100
    assert not torch.equal(branch(x)[:, :, -1, -1], there[:, :, -1, -1])
