import pytest
import torch
from monai.networks.nets import DenseNet121
from torch import nn

from cvs_med.networks.densenet import DENSENETS, DenseNetEncoder

# Parameters of torchvision's networks without their classifiers, as its documentation counts them.
PARAMETERS = {"densenet121": 7_978_856 - 1025 * 1000, "densenet169": 14_149_480 - 1665 * 1000}


@pytest.mark.parametrize("name", DENSENETS)
def test_it_has_as_many_parameters_as_torchvision(name: str) -> None:
    assert sum(weight.numel() for weight in DenseNetEncoder(name).parameters()) == PARAMETERS[name]


def test_the_keys_are_torchvisions() -> None:
    keys = DenseNetEncoder("densenet121").state_dict().keys()
    assert {
        "features.conv0.weight",
        "features.norm0.running_mean",
        "features.denseblock1.denselayer1.norm1.weight",
        "features.denseblock1.denselayer1.conv1.weight",
        "features.denseblock4.denselayer16.norm2.running_var",
        "features.denseblock4.denselayer16.conv2.weight",
        "features.transition3.norm.bias",
        "features.transition3.conv.weight",
        "features.norm5.weight",
    } <= keys
    assert all(key.startswith("features.") and ".layers." not in key for key in keys)


def test_it_computes_what_monais_network_computes() -> None:
    torch.manual_seed(0)
    encoder, reference = DenseNetEncoder("densenet121"), DenseNet121(spatial_dims=2, in_channels=3, out_channels=1)
    features = [value for key, value in reference.state_dict().items() if key.startswith("features.")]
    encoder.load_state_dict(dict(zip(encoder.state_dict(), features, strict=True)))
    x = torch.randn(2, 3, 70, 50)
    with torch.no_grad():
        found = encoder.eval()(x)[-1]
        torch.testing.assert_close(found, reference.eval().features(x).relu())


def test_a_map_is_what_the_next_layer_reads() -> None:
    encoder = DenseNetEncoder("densenet121").eval()
    read: list[torch.Tensor] = []
    for number in (1, 2, 3):
        convolution = encoder.features.get_submodule(f"transition{number}.conv")
        convolution.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    with torch.no_grad():
        maps = encoder(torch.randn(1, 3, 64, 64))
    assert all(torch.equal(a, b) for a, b in zip(maps[1:4], read, strict=True))


def test_only_the_blocks_after_a_traded_pooling_are_dilated() -> None:
    def dilations(output_stride: int) -> list[set[tuple[int, ...]]]:
        features = DenseNetEncoder("densenet121", output_stride=output_stride).features
        blocks = [features.get_submodule(f"denseblock{number}") for number in (1, 2, 3, 4)]
        return [{m.dilation for m in b.modules() if isinstance(m, nn.Conv2d) and m.padding != (0, 0)} for b in blocks]

    assert dilations(32) == [{(1, 1)}, {(1, 1)}, {(1, 1)}, {(1, 1)}]
    assert dilations(16) == [{(1, 1)}, {(1, 1)}, {(1, 1)}, {(2, 2)}]
    assert dilations(8) == [{(1, 1)}, {(1, 1)}, {(2, 2)}, {(4, 4)}]


def test_a_finer_grid_leaves_the_maps_before_it_as_they_were() -> None:
    coarse, fine = DenseNetEncoder("densenet121").eval(), DenseNetEncoder("densenet121", output_stride=16).eval()
    fine.load_state_dict(coarse.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        pairs = list(zip(coarse(x), fine(x), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs[:4])
    assert [tuple(b.shape[2:]) for _, b in pairs] == [(32, 32), (16, 16), (8, 8), (4, 4), (4, 4)]
