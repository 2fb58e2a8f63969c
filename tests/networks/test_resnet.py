import pytest
import torch
from torch import nn

from cvs_med.networks.resnet import RESNETS, ResNetEncoder

# Parameters of torchvision's networks without their classifiers, as its documentation counts them.
PARAMETERS = {
    "resnet18": 11_689_512 - 513 * 1000,
    "resnet34": 21_797_672 - 513 * 1000,
    "resnet50": 25_557_032 - 2049 * 1000,
    "resnet101": 44_549_160 - 2049 * 1000,
}


@pytest.mark.parametrize("name", RESNETS)
def test_it_has_as_many_parameters_as_torchvision(name: str) -> None:
    assert sum(weight.numel() for weight in ResNetEncoder(name).parameters()) == PARAMETERS[name]


def test_the_keys_are_torchvisions() -> None:
    keys = ResNetEncoder("resnet50").state_dict().keys()
    assert {
        "conv1.weight",
        "bn1.running_mean",
        "bn1.num_batches_tracked",
        "layer1.0.conv1.weight",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.running_var",
        "layer3.5.bn3.bias",
        "layer4.2.conv3.weight",
    } <= keys
    assert {key.split(".")[0] for key in keys} == {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"}
    assert "layer1.0.downsample.0.bias" not in keys


def test_the_shallow_ones_have_two_convolutions_a_block_and_no_shortcut_convolution_at_first() -> None:
    keys = ResNetEncoder("resnet18").state_dict().keys()
    assert "layer1.0.conv2.weight" in keys
    assert not any("conv3" in key or key.startswith("layer1.0.downsample") for key in keys)


@pytest.mark.parametrize(
    ("output_stride", "expected"),
    [(32, ((1, 1, 1), (1, 1, 1))), (16, ((1, 1, 1), (1, 2, 2))), (8, ((1, 2, 2), (2, 4, 4)))],
)
def test_the_dilations_are_those_of_torchvision(output_stride: int, expected: tuple[tuple[int, ...], ...]) -> None:
    # torchvision's resnet50(replace_stride_with_dilation=[False, output_stride == 8, output_stride <= 16]): the block
    # that had the stride keeps the dilation from before it, the following ones double it.
    encoder = ResNetEncoder("resnet50", output_stride=output_stride)
    for layer, (first, second, last) in zip((encoder.layer3, encoder.layer4), expected, strict=True):
        dilations = [block.conv2.dilation for block in layer]
        assert dilations[0] == (first, first)
        assert dilations[1] == (second, second)
        assert dilations[-1] == (last, last)
        assert all(block.conv2.padding == block.conv2.dilation for block in layer)


def test_dilation_leaves_the_early_layers_alone() -> None:
    encoder = ResNetEncoder("resnet18", output_stride=8)
    early = nn.ModuleList([encoder.conv1, encoder.layer1, encoder.layer2])
    assert all(module.dilation == (1, 1) for module in early.modules() if isinstance(module, nn.Conv2d))


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_finer_grid_keeps_the_values_of_the_coarse_one(name: str, output_stride: int) -> None:
    # Dilation computes the same values as stride, and those in between: the weights keep their meaning.
    coarse = ResNetEncoder(name).eval().double()
    fine = ResNetEncoder(name, output_stride=output_stride).eval().double()
    fine.load_state_dict(coarse.state_dict())
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        pairs = list(zip(coarse(x), fine(x), strict=True))
    for (expected, found), stride in zip(pairs, coarse.strides, strict=True):
        step = max(1, stride // output_stride)
        torch.testing.assert_close(found[:, :, ::step, ::step], expected)
