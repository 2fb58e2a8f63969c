"""BiT, against its published count and itself written out over arrays under its authors' names."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, group_norm, max_pool2d, pad

from cvs_med.errors import CvsMedError, WeightsError
from cvs_med.networks.bit import BitEncoder, StandardConv2d
from cvs_med.networks.weights import WeightsReport, load_weights

Arrays = dict[str, npt.NDArray[np.float32]]
UNITS = (3, 4, 6, 3)


def published() -> Arrays:
    """Draw what a BiT-M-R50x1.npz holds, names and shapes, with a classifier of five classes."""
    rng = np.random.default_rng(0)
    found: Arrays = {}

    def kernel(name: str, *shape: int) -> None:
        found[f"resnet/{name}/kernel"] = rng.normal(size=shape).astype(np.float32)

    def norm(name: str, channels: int) -> None:
        for part in ("beta", "gamma"):
            found[f"resnet/{name}/{part}"] = rng.normal(size=channels).astype(np.float32)

    kernel("root_block/standardized_conv2d", 7, 7, 3, 64)
    inputs = 64
    for block, units in enumerate(UNITS):
        inner, outputs = 64 << block, 256 << block
        for unit in range(units):
            place = f"block{block + 1}/unit{unit + 1:02d}"
            shapes = (inputs, inner), (inner, inner), (inner, outputs)
            for letter, side, shape in zip("abc", (1, 3, 1), shapes, strict=True):
                norm(f"{place}/{letter}/group_norm", shape[0])
                kernel(f"{place}/{letter}/standardized_conv2d", side, side, *shape)
            if not unit:
                kernel(f"{place}/a/proj/standardized_conv2d", 1, 1, inputs, outputs)
            inputs = outputs
    norm("group_norm", 2048)
    kernel("head/conv2d", 1, 1, 2048, 5)
    found["resnet/head/conv2d/bias"] = np.zeros(5, dtype=np.float32)
    return found


class Written:
    """The network as the paper describes it, computed from the arrays."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = {name.removeprefix("resnet/"): torch.from_numpy(value).double() for name, value in arrays.items()}

    def convolution(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        kernel = self.arrays[f"{name}/standardized_conv2d/kernel"]
        flat = kernel.flatten(0, 2)
        kernel = (kernel - flat.mean(dim=0)) / flat.std(dim=0, correction=0)
        return conv2d(x, kernel.permute(3, 2, 0, 1), stride=stride, padding=kernel.shape[0] // 2)

    def norm(self, x: Tensor, name: str) -> Tensor:
        gamma, beta = (self.arrays[f"{name}group_norm/{part}"] for part in ("gamma", "beta"))
        return group_norm(x, 32, gamma, beta).relu()

    def maps(self, x: Tensor) -> list[Tensor]:
        found = [self.convolution(x, "root_block", 2)]
        x = max_pool2d(pad(found[0], (1, 1, 1, 1)), 3, 2)
        for block, units in enumerate(UNITS):
            for unit in range(units):
                x = self.unit(x, f"block{block + 1}/unit{unit + 1:02d}", stride=2 if block and not unit else 1)
            found.append(x)
        return [*found[:-1], self.norm(x, "")]

    def unit(self, x: Tensor, name: str, stride: int) -> Tensor:
        before = self.norm(x, f"{name}/a/")
        changes = f"{name}/a/proj/standardized_conv2d/kernel" in self.arrays
        kept = self.convolution(before, f"{name}/a/proj", stride) if changes else x
        x = self.norm(self.convolution(before, f"{name}/a"), f"{name}/b/")
        x = self.norm(self.convolution(x, f"{name}/b", stride), f"{name}/c/")
        return kept + self.convolution(x, f"{name}/c")


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return published()


def written(folder: Path, arrays: dict[str, npt.NDArray[np.generic]] | Arrays) -> Path:
    path = folder / "BiT-M-R50x1.npz"
    np.savez(path, **arrays)
    return path


def load(path: Path, encoder: BitEncoder, *, partial: bool = False) -> WeightsReport:
    return load_weights(encoder, path, name="bit50x1", partial=partial, cache_dir=Path("unused"))


# 23,500,352 is what Keras counts in the authors' bit/m-r50x1 without its classifier.
@pytest.mark.parametrize(("name", "parameters"), [("bit50x1", 23_500_352), ("bit101x1", 42_492_480)])
def test_it_has_as_many_parameters_as_published(name: str, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(weight.numel() for weight in BitEncoder(name).parameters()) == parameters


@pytest.mark.parametrize("side", [32, 45])
def test_a_published_file_gives_the_network_of_the_paper(tmp_path: Path, arrays: Arrays, side: int) -> None:
    encoder = BitEncoder("bit50x1").eval()
    report = load(written(tmp_path, arrays), encoder)
    assert len(report.loaded) == len(arrays) - 2
    assert (report.missing, report.unexpected, report.mismatched) == ((), (), ())
    x = torch.randn(2, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, expected = encoder.double()(x), Written(arrays).maps(x)
    for level, (ours, other) in enumerate(zip(found, expected, strict=True)):
        torch.testing.assert_close(ours, other, msg=lambda text, level=level: f"level {level}: {text}")


def test_counted_names_of_layers_are_understood(tmp_path: Path, arrays: Arrays) -> None:
    # Some of the authors' files number a layer where its scope has two.
    renamed = {name.replace("proj/standardized_conv2d", "proj/standardized_conv2d_1"): a for name, a in arrays.items()}
    assert load(written(tmp_path, renamed), BitEncoder("bit50x1")).missing == ()


def test_a_file_of_another_network_is_refused(tmp_path: Path, arrays: Arrays) -> None:
    with pytest.raises(WeightsError, match="expected all 304 tensors of bit101x1, found 151"):
        load_weights(BitEncoder("bit101x1"), written(tmp_path, arrays), name="bit101x1", cache_dir=tmp_path)
    with pytest.raises(WeightsError, match="expected weights of bit50x1, found weight"):
        load(written(tmp_path, {"weight": np.ones(3)}), BitEncoder("bit50x1"), partial=True)


class Intruder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.path,)


def test_a_file_with_objects_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    evil = np.array([Intruder(tmp_path / "broken-in")], dtype=object)
    path = written(tmp_path, {"resnet/group_norm/gamma": evil})
    with pytest.raises(WeightsError, match="allow_pickle=False"):
        load(path, BitEncoder("bit50x1"))
    bare = tmp_path / "bare.npz"
    stream = io.BytesIO()
    np.save(stream, evil)
    bare.write_bytes(stream.getvalue())
    with pytest.raises(WeightsError, match="damaged"):
        load(bare, BitEncoder("bit50x1"))
    assert not (tmp_path / "broken-in").exists()


def test_damaged_files_are_refused_or_loaded_but_never_crash(tmp_path: Path) -> None:
    path = written(tmp_path, {"resnet/group_norm/gamma": np.ones(2048, dtype=np.float32)})
    whole, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    encoder = BitEncoder("bit50x1")
    for _ in range(40):
        damaged = bytearray(whole[: rng.integers(len(whole) + 1)] if rng.random() < 0.5 else whole)
        for place in rng.integers(0, max(len(damaged), 1), 3):
            damaged[place : place + 1] = b"\x07"
        path.write_bytes(damaged)
        try:
            load(path, encoder, partial=True)
        except CvsMedError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("scale", [0.3, 40])
def test_a_standardised_kernel_forgets_its_mean_and_its_scale(scale: float) -> None:
    torch.manual_seed(0)
    convolution, x = StandardConv2d(4, 6, 3, stride=2).double(), torch.randn(2, 4, 9, 9, dtype=torch.float64)
    expected = convolution(x)
    with torch.no_grad():
        convolution.weight.mul_(scale).add_(3)
    torch.testing.assert_close(convolution(x), expected)
    assert expected.shape == (2, 6, 5, 5)


def test_a_photograph_does_not_depend_on_the_others_of_its_batch() -> None:
    torch.manual_seed(0)
    encoder, x = BitEncoder("bit50x1").train(), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(encoder(x)[-1][:1], encoder(x[:1])[-1], atol=1e-4, rtol=1e-3)


def test_every_weight_is_trained_by_the_coarsest_map() -> None:
    torch.manual_seed(0)
    encoder = BitEncoder("bit50x1")
    encoder(torch.randn(2, 3, 64, 64))[-1].square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in encoder.parameters())
