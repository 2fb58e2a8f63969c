import hashlib
import os
import pickle
import random
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from cvs_med import backbones
from cvs_med.errors import CvsMedError, DownloadError, WeightsError
from cvs_med.networks import weights
from cvs_med.networks.encoder import Encoder
from cvs_med.networks.encoders import build_encoder
from cvs_med.networks.weights import PUBLISHED, WeightsReport, load_weights

REAL = Path(os.environ.get("CVS_MED_TEST_WEIGHTS", "missing"))


class Tiny(Encoder):
    """Two layers under names that a ResNet and a DenseNet use."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 1, bias=False)
        layer = nn.Sequential(OrderedDict(norm1=nn.BatchNorm2d(4), conv1=nn.Conv2d(4, 2, 1)))
        self.denseblock1 = nn.Sequential(OrderedDict(denselayer1=layer))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self.denseblock1(self.conv1(x)),)


State = dict[str, Tensor]
LEARNT = [key for key in Tiny().state_dict() if "num_batches" not in key]


def state() -> State:
    torch.manual_seed(1)
    return {key: torch.rand_like(value.float()) for key, value in Tiny().state_dict().items() if key in LEARNT}


def written(folder: Path, content: Mapping[str, object], ending: str = ".pth") -> Path:
    path = folder / f"weights{ending}"
    torch.save(dict(content), path)
    return path


def load(path: Path | str, encoder: Encoder | None = None, *, partial: bool = False) -> WeightsReport:
    return load_weights(encoder or Tiny(), path, name="tiny", partial=partial, cache_dir=Path("unused"))


def holds(encoder: Encoder, expected: State) -> bool:
    own = encoder.state_dict()
    return all(torch.equal(own[key], value) for key, value in expected.items())


@pytest.mark.parametrize("ending", [".pth", ".pt", ".safetensors", ".PTH"])
def test_a_complete_file_fills_the_encoder_and_is_identified(tmp_path: Path, ending: str) -> None:
    path, encoder = tmp_path / f"w{ending}", Tiny()
    save: Callable[[State, Path], None] = safetensors.torch.save_file if ending == ".safetensors" else torch.save
    save(state(), path)
    report = load(path, encoder)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert report == WeightsReport(str(path), sha256=digest, loaded=tuple(LEARNT))
    assert holds(encoder, state())


def test_files_of_old_torch_versions_are_read(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    encoder = Tiny()
    load(tmp_path / "old.pth", encoder)
    assert holds(encoder, state())


def test_half_precision_is_cast_up(tmp_path: Path) -> None:
    half = {key: value.half() for key, value in state().items()}
    encoder = Tiny()
    load(written(tmp_path, half), encoder)
    assert holds(encoder, {key: value.float() for key, value in half.items()})
    assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}


@pytest.mark.parametrize("prefix", ["module.", "backbone.", "encoder.", "model.", "module.backbone."])
def test_what_was_wrapped_around_the_encoder_is_taken_off(tmp_path: Path, prefix: str) -> None:
    encoder = Tiny()
    report = load(written(tmp_path, {prefix + key: value for key, value in state().items()}), encoder)
    assert report.loaded == tuple(LEARNT)
    assert holds(encoder, state())


@pytest.mark.parametrize("dense", ["denselayer1.norm.1", "denselayer1.layers.norm1"])
def test_other_names_of_dense_layers_are_understood(tmp_path: Path, dense: str) -> None:
    renamed = {key.replace("denselayer1.norm1", dense): value for key, value in state().items()}
    encoder = Tiny()
    assert load(written(tmp_path, renamed), encoder).loaded == tuple(LEARNT)
    assert holds(encoder, state())


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_a_file_in_the_format_that_torchvision_publishes_is_complete(tmp_path: Path, name: str) -> None:
    # Old format, no counters, a classifier, and dots in the names of dense layers.
    torch.manual_seed(0)
    source, encoder = build_encoder(name), build_encoder(name)
    kept = {key: value for key, value in source.state_dict().items() if "num_batches" not in key}
    old = {key: value for key, value in kept.items() if "denselayer" not in key}
    for kind in ("norm", "conv"):
        for number in "12":
            present, dotted = f".{kind}{number}.", f".{kind}.{number}."
            old |= {k.replace(present, dotted): v for k, v in kept.items() if "denselayer" in k and present in k}
    classifier = {"fc.weight": torch.ones(9, 9), "classifier.bias": torch.ones(9)}
    torch.save(old | classifier, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    report = load_weights(encoder, tmp_path / "w.pth", name=name, cache_dir=tmp_path)
    assert (len(report.loaded), report.missing, report.unexpected, report.mismatched) == (len(kept), (), (), ())
    assert holds(encoder, kept)


def test_a_partial_file_is_refused_tensor_by_tensor_and_changes_nothing(tmp_path: Path) -> None:
    partial = state() | {"conv1.weight": torch.ones(4, 1, 1, 1), "head.weight": torch.ones(2)}
    del partial["denseblock1.denselayer1.conv1.bias"]
    encoder = Tiny()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load(written(tmp_path, partial), encoder)
    message = str(caught.value)
    assert "expected all 7 tensors of tiny, found 5." in message
    assert "--weights-partial" in message
    assert "missing: denseblock1.denselayer1.conv1.bias\n" in message
    assert "wrong shape: conv1.weight: expected (4, 3, 1, 1), found (4, 1, 1, 1)\n" in message
    assert message.endswith("not used: head.weight")
    assert holds(encoder, before)


def test_a_partial_file_is_loaded_where_that_is_asked_for(tmp_path: Path) -> None:
    encoder = Tiny()
    first = {"conv1.weight": state()["conv1.weight"]}
    rest = {key: value.clone() for key, value in encoder.state_dict().items() if key not in first}
    report = load(written(tmp_path, first), encoder, partial=True)
    assert report.loaded == ("conv1.weight",)
    assert set(report.missing) == set(LEARNT) - {"conv1.weight"}
    assert holds(encoder, first | rest)


def test_what_the_encoder_has_no_use_for_does_not_make_a_file_partial(tmp_path: Path) -> None:
    report = load(written(tmp_path, state() | {"head.weight": torch.ones(2), "fc.weight": torch.ones(2)}))
    assert (report.missing, report.unexpected) == ((), ("head.weight",))


def test_weights_of_another_network_are_refused_even_in_part(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"expected weights of tiny, found blocks\.0\.weight"):
        load(written(tmp_path, {"blocks.0.weight": torch.ones(2)}), partial=True)


def test_none_leaves_the_encoder_random() -> None:
    encoder = Tiny()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    assert load("none", encoder) == WeightsReport("none")
    assert holds(encoder, before)


class Intruder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    for write in (torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))):
        path = tmp_path / "evil.pth"
        write(state() | {"conv1.weight": Intruder(tmp_path / "broken-in")}, path)
        with pytest.raises(WeightsError, match="would run code"):
            load(path)
        assert not (tmp_path / "broken-in").exists()


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_damaged_files_are_refused_or_loaded_but_never_crash(tmp_path: Path, ending: str) -> None:
    path, draw = tmp_path / f"w{ending}", random.Random(0)
    whole = safetensors.torch.save(state())
    if ending == ".pth":
        whole = written(tmp_path, state()).read_bytes()
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole[: draw.randrange(len(whole) + 1)] if draw.random() < 0.3 else whole)
        for _ in range(draw.randrange(1, 4)):
            if damaged:
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            load(path)
        except CvsMedError:
            refused += 1
    assert refused > 20


def test_a_file_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, {"conv1.weight": torch.zeros(1 << 20)})
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    monkeypatch.setattr(weights, "_MAX_BYTES", 1 << 20)
    assert packed.stat().st_size < 1 << 20 < path.stat().st_size
    with pytest.raises(WeightsError, match="would unpack to"):
        load(packed)
    with pytest.raises(WeightsError, match="at most 1048576 bytes"):
        load(path)


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        ({"state_dict": {"conv1.weight": torch.ones(1)}, "epoch": 3}, "other things under state_dict, epoch"),
        ({"conv1.weight": torch.ones(4, 3, 1, 1, dtype=torch.int64)}, r"found torch\.int64 in conv1\.weight"),
        ({"conv1.weight": torch.ones(1), "module.conv1.weight": torch.ones(1)}, r"two tensors for conv1\.weight"),
        ({}, "expected weights of tiny, found nothing"),
    ],
)
def test_other_content_is_named(tmp_path: Path, content: dict[str, object], finding: str) -> None:
    with pytest.raises(WeightsError, match=finding):
        load(written(tmp_path, content), partial=True)


def test_something_else_than_named_tensors_is_named(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match="found a list"):
        load(tmp_path / "list.pt")


def test_a_file_of_another_kind_or_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"ending in \.pth, \.pt, \.safetensors, \.npz"):
        load(tmp_path / "w.h5")
    with pytest.raises(WeightsError, match=r"missing\.pth: .*No such file or directory"):
        load(tmp_path / "missing.pth")
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(WeightsError, match="Is a directory"):
        load(tmp_path / "folder.pth")


def test_protocols_know_which_encoders_have_a_published_file(tmp_path: Path) -> None:
    assert set(PUBLISHED) == {name for name in backbones.NAMES if backbones.find(name).published}
    with pytest.raises(WeightsError, match="for which weights are published, found lenet5"):
        load_weights(Tiny(), "imagenet", name="lenet5", cache_dir=tmp_path)


def test_imagenet_takes_the_published_file_by_its_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Path, str]] = []

    def fetch(url: str, target: Path, *, sha256: str, **_: object) -> Path:
        asked.append((url, target, sha256))
        torch.save(state(), target)
        return target

    monkeypatch.setattr(weights, "fetch", fetch)
    report = load_weights(Tiny(), "imagenet", name="resnet101", cache_dir=tmp_path)
    address = "https://download.pytorch.org/models/resnet101-63fe2227.pth"
    assert asked == [(address, tmp_path / "resnet101-63fe2227.pth", "63fe2227")]
    assert report.source == "imagenet"


def test_without_a_network_imagenet_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_ADDRESS", "https://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DownloadError, match=r"pass the file with --weights FILE\.$"):
        load_weights(Tiny(), "imagenet", name="resnet18", cache_dir=tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="CVS_MED_TEST_WEIGHTS names no folder with the real weights")
def test_the_real_files_load(tmp_path: Path) -> None:
    complete, cut = (
        REAL / "densenet169-imagenet-features-fp16.pth",
        REAL / "resnet50-v1-imagenet-conv1-to-layer3-fp16.pth",
    )
    report = load_weights(build_encoder("densenet169"), complete, name="densenet169", cache_dir=tmp_path)
    assert (len(report.loaded), report.missing, report.unexpected, report.mismatched) == (844, (), (), ())
    with pytest.raises(WeightsError, match="expected all 265 tensors of resnet50, found 215"):
        load_weights(build_encoder("resnet50"), cut, name="resnet50", cache_dir=tmp_path)
    report = load_weights(build_encoder("resnet50"), cut, name="resnet50", partial=True, cache_dir=tmp_path)
    assert all(key.startswith("layer4.") for key in report.missing)
