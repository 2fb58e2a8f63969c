from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cvs_med.datasets import digits, get
from cvs_med.errors import DataError
from cvs_med.images import read_image, read_mask


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "digits"
    digits.prepare(folder)
    return folder


def test_all_digits_are_there_with_their_labels(root: Path) -> None:
    cases = get("digits").cases(root)
    assert [case.label for case in cases] == load_digits().target.tolist()
    assert len({case.id for case in cases}) == 1797


def test_the_foreground_is_every_pixel_above_zero(root: Path) -> None:
    originals = load_digits().images
    for case in get("digits").cases(root)[::150]:
        assert case.mask is not None
        original = originals[int(case.id)]
        np.testing.assert_array_equal(read_mask(case.mask), original > 0)
        np.testing.assert_allclose(read_image(case.image)[..., 1] / 255 * 16, original, atol=0.04)


def test_the_check_decodes_every_digit(root: Path) -> None:
    assert get("digits").check(root)[1] == []
    mask = root / "masks" / "0007.png"
    whole = mask.read_bytes()
    mask.write_bytes(whole[:50])
    problems = get("digits").check(root)[1]
    mask.write_bytes(whole)
    assert [problem.where for problem in problems] == ["masks/0007.png"]


@pytest.mark.parametrize(
    "labels", [None, "case_id,label\n0001,ten\n", "name\n0001\n", "case_id,label\n../x,1\n", "\xff"]
)
def test_labels_that_cannot_be_read_are_an_error(tmp_path: Path, labels: str | None) -> None:
    if labels is not None:
        (tmp_path / digits.LABELS).write_text(labels, encoding="latin-1")
    with pytest.raises(DataError, match=r"labels\.csv"):
        get("digits").cases(tmp_path)
    assert len(get("digits").check(tmp_path)[1]) == 1
