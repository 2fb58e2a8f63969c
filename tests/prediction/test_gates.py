from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from cvs_med.errors import RunError
from cvs_med.prediction import ensemble, gate_file, gates, quality
from cvs_med.prediction.gates import Sample
from cvs_med.types import Array, Floats


def disc(seed: int, level: float = 110) -> Sample:
    """Draw a noisy disc."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:64, :64]
    view = ((rows - 32) ** 2 + (columns - 32) ** 2 < 30**2).astype(np.uint8) * 255
    image = rng.normal(level + rng.normal(0, 3), 12, (3, 64, 64)) * np.array([1.5, 0.8, 0.4])[:, None, None]
    return (image.clip(0, 255) * (view > 0)).astype(np.uint8), view


def means(image: Array, view: Array) -> Floats:
    seen = image[:, view > 0].astype(np.float64)
    return np.concatenate([seen.mean(axis=1), seen.std(axis=1)])


FOLDS = [list(range(start, 40, 4)) for start in range(4)]
FITTED = gates.fit([disc(seed) for seed in range(40)], FOLDS, means)


def test_most_pictures_of_the_same_kind_pass() -> None:
    stopped = sum(bool(FITTED.reasons(*disc(seed), means(*disc(seed)))) for seed in range(100, 140))
    assert stopped <= 4
    assert FITTED.alarms.photographs == 40
    assert FITTED.alarms.either <= 4
    assert max(FITTED.alarms.quality, FITTED.alarms.distance) <= FITTED.alarms.either


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda image: image // 8, "too dark"),
        (lambda image: ndimage.gaussian_filter(image, (0, 3, 3)), "out of focus"),
        (lambda image: image[::-1].copy(), "too little red"),
        (lambda image: 255 - image, "unlike the training photographs"),
    ],
)
def test_a_fault_is_named(change: object, said: str) -> None:
    image, view = disc(7)
    changed = change(image)  # type: ignore[operator]
    assert said in "; ".join(FITTED.reasons(changed, view, means(changed, view)))


def test_a_square_without_anything_is_measured(tmp_path: Path) -> None:
    empty = np.zeros((3, 16, 16), np.uint8), np.zeros((16, 16), np.uint8)
    assert np.isfinite(quality.measure(*empty)).all()


def test_gates_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    gate_file.write(tmp_path / "gates.safetensors", FITTED)
    read = gate_file.read(tmp_path / "gates.safetensors")
    features = np.random.default_rng(0).normal(100, 50, (5, 6))
    np.testing.assert_array_equal(read.cloud.distance(features), FITTED.cloud.distance(features))
    np.testing.assert_array_equal([read.low, read.high], [FITTED.low, FITTED.high])
    assert read.alarms == FITTED.alarms


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gates.safetensors"
    gate_file.write(path, FITTED)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(RunError, match="Delete the file"):
        gate_file.read(path)


def test_a_run_fits_them_once(run: Path) -> None:
    networks = ensemble.read(run, device=torch.device("cpu"))
    told: list[tuple[int, int]] = []
    first = gate_file.of_run(run, networks, lambda done, total: told.append((done, total)))
    assert told[-1] == (9, 9)
    assert first.alarms.photographs == 9
    again = gate_file.of_run(run, networks, lambda done, total: pytest.fail("fitted again"))
    np.testing.assert_array_equal(again.limit, first.limit)


def test_a_run_without_its_photographs_is_refused(run: Path) -> None:
    next((run / "fold-0" / "maps").iterdir()).unlink()
    with pytest.raises(RunError, match="training photograph"):
        gate_file.of_run(run, ensemble.read(run, device=torch.device("cpu")), lambda done, total: None)
