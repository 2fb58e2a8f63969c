import builtins
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cvs_med.errors import CvsMedError
from cvs_med.propagation import grabcut
from cvs_med.propagation.grabcut import cut
from cvs_med.types import Array

pytest.importorskip("cv2")


def photograph(shape: np.ndarray, seed: int = 0) -> Array:
    """Give a shape its colour before a ground of another, both with noise."""
    rng = np.random.default_rng(seed)
    colours = np.where(shape[..., None], (200, 90, 40), (60, 110, 160))
    return (colours + rng.normal(0, 12, (32, 32, 3))).clip(0, 255).astype(np.uint8)


def overlap(mask: np.ndarray, shape: np.ndarray) -> float:
    """Dice."""
    return float(2 * (mask & shape).sum() / (mask.sum() + shape.sum()))


ROWS, COLUMNS = np.mgrid[:32, :32]
SHAPES = {
    "disc": np.hypot(ROWS - 15, COLUMNS - 17) < 9,
    "bar": (abs(ROWS - 16) < 4) & (abs(COLUMNS - 14) < 13),
    "square": (abs(ROWS - 15) < 6) & (abs(COLUMNS - 15) < 6),
    "corner": (ROWS > 12) & (COLUMNS > 12) & (ROWS < 31) & (COLUMNS < 31),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_near_the_centre_is_found(name: str) -> None:
    mask, plain = cut(photograph(SHAPES[name]), seed=0)
    assert (mask.shape, mask.dtype, plain) == ((32, 32), np.bool_, False)
    assert overlap(mask, SHAPES[name]) > 0.9


def test_a_second_thing_away_from_the_centre_is_left_out() -> None:
    centre, other = SHAPES["square"], (ROWS > 24) & (COLUMNS > 24) & (ROWS < 30) & (COLUMNS < 30)
    mask, _ = cut(photograph(centre | other), seed=2**32 - 1)
    assert overlap(mask, centre) > 0.9
    assert not (mask & other).any()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_image_without_anything_gives_a_centred_ellipse(value: int) -> None:
    mask, plain = cut(np.full((32, 32, 3), value, dtype=np.uint8), seed=0)
    assert plain
    np.testing.assert_array_equal(mask, mask[::-1])
    np.testing.assert_array_equal(mask, mask.T)
    assert mask.mean() == pytest.approx(np.pi * grabcut.ELLIPSE**2, rel=0.05)


def test_what_is_believed_is_never_next_to_nothing_or_nearly_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        blocks = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        mask, plain = cut(np.kron(blocks, np.ones((8, 8, 1), dtype=np.uint8)), seed=0)
        assert plain or grabcut.LEAST <= mask.mean() <= grabcut.MOST


def test_the_same_seed_cuts_the_same_whatever_was_cut_before_and_in_whichever_thread() -> None:
    images = [photograph(SHAPES[name]) for name in ("disc", "bar")]
    alone = [cut(image, seed=5)[0] for image in images]
    with ThreadPoolExecutor(2) as pool:
        together = [mask for mask, _ in pool.map(lambda image: cut(image, seed=5), images[::-1])]
    np.testing.assert_array_equal(together[::-1], alone)


def test_without_opencv_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object, **options: object) -> object:
        if name == "cv2":
            raise ImportError(name)
        return real(name, *rest, **options)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CvsMedError, match=r"pip install 'cvs-med\[masks\]'"):
        grabcut.opencv()
