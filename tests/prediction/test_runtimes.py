"""Runtimes for exported models: the same answers under the same names, and what the file says of itself."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cvs_med.cli import main
from cvs_med.errors import CvsMedError
from cvs_med.prediction import runtimes, served

NONE = runtimes.Runtime(lambda given: [], (), {}, "fp32")


@pytest.fixture
def content(run: Path, tmp_path: Path) -> bytes:
    """The bytes of an exported model."""
    result = CliRunner().invoke(main, ["export", str(run), "--out", str(tmp_path / "model")])
    assert result.exit_code == 0, result.output
    return (tmp_path / "model" / served.FILE).read_bytes()


def some_planes(runtime: runtimes.Runtime) -> runtimes.Planes:
    """Make what a model of this recipe is given."""
    recipe = served.Recipe.model_validate_json(runtime.metadata[served.RECIPE])
    images = np.random.default_rng(0).random((1, 3, recipe.size, recipe.size), dtype=np.float32)
    return {"images": images, "inside": np.ones((1, recipe.size, recipe.size), np.float32)}


def test_both_give_the_same_answers_under_the_same_names(content: bytes) -> None:
    one = runtimes.by_onnxruntime(content, 1)
    other = runtimes.by_openvino(content, 1, "fp32", like=one)
    assert (one.outputs, one.metadata, one.precision) == (other.outputs, other.metadata, other.precision)
    given = some_planes(one)
    expected, found = one.answers(given), other.answers(given)
    assert list(found) == list(one.outputs)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("wanted", ["bf16", "fp32"])
def test_openvino_says_which_numbers_it_computes_with(wanted: runtimes.Precision, content: bytes) -> None:
    one = runtimes.by_onnxruntime(content, 1)
    assert runtimes.by_openvino(content, 1, wanted, like=one).precision == wanted
    assert runtimes.by_openvino(content, 1, "auto", like=one).precision in ("fp32", "bf16", "f16")


@pytest.mark.parametrize(
    ("package", "extra", "make"),
    [
        ("onnxruntime", "export", lambda: runtimes.by_onnxruntime(b"", 1)),
        ("openvino", "openvino", lambda: runtimes.by_openvino(b"", 1, "fp32", like=NONE)),
    ],
)
def test_what_is_missing_is_named(
    package: str, extra: str, make: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CvsMedError, match=rf"cvs-med\[{extra}\]"):
        make()
