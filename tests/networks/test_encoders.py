import pytest
import torch

from cvs_med import backbones
from cvs_med.errors import ProtocolError
from cvs_med.networks.encoders import OUTPUT_STRIDES, build_encoder


def photograph(side: int = 64) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("output_stride", OUTPUT_STRIDES)
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121"])
def test_channels_and_strides_are_those_of_the_maps(name: str, output_stride: int) -> None:
    encoder = build_encoder(name, output_stride=output_stride).eval()
    with torch.no_grad():
        maps = encoder(photograph())
    assert encoder.strides == tuple(min(stride, output_stride) for stride in (2, 4, 8, 16, 32))
    found = [(features.shape[1], 64 // features.shape[2], 64 // features.shape[3]) for features in maps]
    assert found == [(c, s, s) for c, s in zip(encoder.channels, encoder.strides, strict=True)]


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("resnet18", (64, 64, 128, 256, 512)),
        ("resnet34", (64, 64, 128, 256, 512)),
        ("resnet50", (64, 256, 512, 1024, 2048)),
        ("resnet101", (64, 256, 512, 1024, 2048)),
        ("densenet121", (64, 256, 512, 1024, 1024)),
        ("densenet169", (64, 256, 512, 1280, 1664)),
    ],
)
def test_the_channels_are_those_of_the_papers(name: str, channels: tuple[int, ...]) -> None:
    assert build_encoder(name).channels == channels


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121"])
def test_every_map_is_after_its_relu(name: str) -> None:
    with torch.no_grad():
        maps = build_encoder(name).eval()(photograph())
    assert all(features.min() == 0 and features.max() > 0 for features in maps)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121"])
def test_every_weight_is_trained_by_the_coarsest_map(name: str) -> None:
    encoder = build_encoder(name, output_stride=16)
    encoder(photograph(32))[-1].square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in encoder.parameters())


@pytest.mark.parametrize("name", [*backbones.NAMES, "wideresnet-10-1"])
def test_every_encoder_is_what_protocols_know_of_it(name: str) -> None:
    backbone, encoder = backbones.find(name), build_encoder(name)
    assert len(encoder.channels) == len(encoder.strides) == backbone.levels
    assert encoder.strides[-1] == backbone.stride(32)
    side = next(size for size in (28, 32) if backbone.fits(size))
    with torch.no_grad():
        maps = encoder.eval()(photograph(side))
    assert [features.shape[1] for features in maps] == list(encoder.channels)


@pytest.mark.parametrize("name", backbones.NAMES)
def test_only_what_dilates_has_other_output_strides(name: str) -> None:
    backbone, encoder = backbones.find(name), build_encoder(name, output_stride=8)
    assert encoder.strides[-1] == backbone.stride(8)
    assert (encoder.strides[-1] != build_encoder(name).strides[-1]) == backbone.dilates


def test_an_unknown_encoder_is_refused_by_naming_those_there_are() -> None:
    with pytest.raises(ProtocolError, match=r"densenet121, densenet169, .* found 'vgg16'"):
        build_encoder("vgg16")


def test_an_impossible_output_stride_is_refused() -> None:
    with pytest.raises(ProtocolError, match="8, 16 or 32, found 4"):
        build_encoder("resnet18", output_stride=4)
