"""Features of a frozen encoder: right, kept, read again, and made anew when damaged."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from safetensors.torch import load, save

from cvs_med.augmentation import View
from cvs_med.cache import Photographs
from cvs_med.errors import DataError, Problem
from cvs_med.features import Features, extract, pool
from cvs_med.geometry import Geometry
from cvs_med.networks import Network, build_network
from cvs_med.protocol import Protocol

SIDE = 64
VIEWS = (View(), View(horizontal=True))


@pytest.fixture
def photographs() -> Photographs:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
    seen = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
    seen[:, 8:56, 16:40] = 255
    geometry = Geometry(SIDE, SIDE, 0, 0, SIDE, SIDE, SIDE)
    return Photographs(images, seen // 2, seen, (True,) * 3, (geometry,) * 3, ("a", "b", "c"), "0" * 64)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    network = {"backbone": "resnet18", "trainable": "head"}
    return build_network(
        Protocol.model_validate({"dataset": "hrf", "images": {"size": SIDE}, "network": network}), 3
    )


@pytest.fixture
def take(network: Network, photographs: Photographs, tmp_path: Path) -> Callable[..., Features]:
    """Extract features into the test's folder; options as `extract` has them."""

    def run(**options: object) -> Features:
        usual: dict[str, object] = {
            "views": VIEWS, "levels": (1, 3), "identity": "resnet18/32 seed 0", "precision": "fp32",
            "folder": tmp_path, "step": lambda done, total: None,
        }  # fmt: skip
        chosen = usual | options
        used = chosen.pop("network", network), chosen.pop("photographs", photographs)
        return extract(*used, **chosen)  # type: ignore[arg-type]

    return run


class Broken(Exception):
    """Raised by an encoder that must not be asked."""


def refuse(self: Network, images: torch.Tensor) -> NoReturn:
    raise Broken


def test_maps_are_what_the_encoder_says_of_every_view(
    take: Callable[..., Features], network: Network, photographs: Photographs
) -> None:
    features = take()
    for number, view in enumerate(VIEWS):
        with torch.no_grad():
            expected = network.eval().features(view.apply(photographs.images.float() / 255))
        found = features.maps([0, 1, 2], [number] * 3, (1, 3))
        for level in (1, 3):
            torch.testing.assert_close(found[level], expected[level], atol=1e-4, rtol=1e-4)


def test_photographs_and_views_can_be_taken_in_any_order(take: Callable[..., Features]) -> None:
    features = take()
    mixed = features.maps([2, 0, 2], [1, 0, 0], (3,))[3]
    for place, (photograph, view) in enumerate([(2, 1), (0, 0), (2, 0)]):
        assert torch.equal(mixed[place], features.maps([photograph], [view], (3,))[3][0])


def test_pooled_values_are_those_of_the_field_of_view(
    take: Callable[..., Features], network: Network, photographs: Photographs
) -> None:
    features = take()
    with torch.no_grad():
        levels = network.eval().features(photographs.images.float() / 255)
    for level, feature in levels.items():
        cell = SIDE // feature.shape[-1]
        shares = (photographs.field_of_view[0].double() / 255).reshape(SIDE // cell, cell, SIDE // cell, cell)
        weights = shares.mean(dim=(1, 3)) / shares.mean(dim=(1, 3)).sum()
        mean = (feature.double() * weights).sum(dim=(2, 3))
        deviation = ((feature.double() - mean[:, :, None, None]).square() * weights).sum(dim=(2, 3)).sqrt()
        assert features.means[level].shape == (2, 3, feature.shape[1])
        torch.testing.assert_close(features.means[level][0].double(), mean, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(features.deviations[level][0].double(), deviation, atol=2e-3, rtol=1e-2)


def test_pooling_sees_nothing_outside() -> None:
    feature, seen = torch.randn(3, 5, 8, 8), torch.zeros(3, 1, 16, 16)
    seen[..., :8] = 1
    mean, deviation = pool(feature, seen)
    inside = feature[:, :, :, :4].flatten(2)
    torch.testing.assert_close(mean, inside.mean(dim=2))
    torch.testing.assert_close(deviation, inside.std(dim=2, correction=0), atol=1e-4, rtol=1e-4)


def test_a_constant_map_has_no_deviation() -> None:
    mean, deviation = pool(torch.full((1, 2, 4, 4), 3.0), torch.ones(1, 1, 8, 8))
    torch.testing.assert_close(mean, torch.full((1, 2), 3.0))
    assert (deviation < 1e-2).all()


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_maps_are_kept_in_the_precision_they_were_computed_in(
    take: Callable[..., Features], precision: str, dtype: torch.dtype
) -> None:
    features = take(precision=precision)
    assert features.maps([0], [0], (1,))[1].dtype == dtype
    assert features.means[1].dtype == torch.float32


def test_bf16_is_near_32_bits(take: Callable[..., Features]) -> None:
    exact, rough = take(), take(precision="bf16")
    for level in range(5):
        scale = exact.means[level].abs().mean().item()
        torch.testing.assert_close(rough.means[level], exact.means[level], atol=0.1 * scale, rtol=0.1)


def test_a_second_call_reads_and_does_not_compute(
    take: Callable[..., Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = take()
    monkeypatch.setattr(Network, "features", refuse)
    second = take()
    assert second.folder == first.folder
    for level in range(5):
        assert torch.equal(second.means[level], first.means[level])
        assert torch.equal(second.deviations[level], first.deviations[level])
    with pytest.raises(Broken):
        take(identity="another encoder")


@pytest.mark.parametrize(
    "change",
    [
        {"identity": "resnet18/32 seed 1"}, {"views": (View(),)}, {"views": (View(), View(vertical=True))},
        {"precision": "bf16"},
    ],
)  # fmt: skip
def test_another_recipe_is_another_folder(take: Callable[..., Features], change: dict[str, object]) -> None:
    assert take().folder != take(**change).folder


def test_fewer_levels_are_read_from_where_more_are_kept(
    take: Callable[..., Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = take(levels=(1, 3))
    monkeypatch.setattr(Network, "features", refuse)
    for levels in ((), (3,)):
        assert torch.equal(take(levels=levels).means[4], first.means[4])


def test_levels_asked_for_later_join_those_kept_before(
    take: Callable[..., Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = take(levels=(1,)).maps([2], [1], [1])[1]
    take(levels=(3, 4))
    monkeypatch.setattr(Network, "features", refuse)
    together = take(levels=(1, 3, 4)).maps([2], [1], [1, 3, 4])
    assert torch.equal(together[1], before)
    assert together[4].shape[1] == 512


def test_other_photographs_are_another_folder(take: Callable[..., Features], photographs: Photographs) -> None:
    other = replace(photographs, images=photographs.images.flip(-1))
    assert take().folder != take(photographs=other).folder


def test_what_is_prepared_for_a_head_alone_is_the_same_folder(
    take: Callable[..., Features], photographs: Photographs
) -> None:
    signs = torch.zeros(len(photographs.case_ids), 1, *photographs.images.shape[2:], dtype=torch.uint8)
    assert take().folder == take(photographs=replace(photographs, key="1" * 64, signs=signs)).folder


@pytest.mark.parametrize("damage", ["cut", "emptied", "scribbled", "without maps", "removed"])
def test_a_damaged_file_is_made_anew_and_it_alone(take: Callable[..., Features], damage: str) -> None:
    first = take()
    file = first.folder / "view-1-photograph-2.safetensors"
    whole, others = file.read_bytes(), {path: path.stat().st_mtime_ns for path in first.folder.glob("*.safetensors")}
    if damage == "removed":
        file.unlink()
    else:
        pooled = {name: tensor for name, tensor in load(whole).items() if not name.startswith("level")}
        content = {"cut": whole[:-100], "emptied": b"", "scribbled": b"\xff" * len(whole), "without maps": save(pooled)}
        file.write_bytes(content[damage])
    second = take()
    assert file.read_bytes() == whole
    assert torch.equal(second.means[0], first.means[0])
    changed = {path for path in others if path.stat().st_mtime_ns != others[path]}
    assert changed <= {file}


def test_progress_is_told_also_of_what_is_only_read(take: Callable[..., Features]) -> None:
    for _ in range(2):
        told: list[tuple[int, int]] = []
        take(step=lambda done, total: told.append((done, total)))  # noqa: B023 - called before the next round
        assert told == [(n, 6) for n in range(1, 7)]


def test_without_levels_only_pooled_values_are_kept(take: Callable[..., Features]) -> None:
    features = take(levels=())
    assert features.means[4].shape == (2, 3, 512)
    assert sum(path.stat().st_size for path in features.folder.iterdir()) < 6 * 20_000


def test_a_disk_without_room_is_found_after_the_first_photograph(
    take: Callable[..., Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def full(folder: Path, needed: int) -> list[Problem]:
        asked.append(needed)
        return [Problem(str(folder), "room", "none", "Free some.")]

    monkeypatch.setattr("cvs_med.features.check_writable", full)
    with pytest.raises(DataError, match="Free some"):
        take()
    maps = sum(channels * side**2 for channels, side in ((64, 16), (256, 4)))
    per_file = 4 * (maps + 2 * (64 + 64 + 128 + 256 + 512))
    assert asked == [6 * per_file]
