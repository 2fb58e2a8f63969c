"""The names of backbones, and what protocols know of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvs_med.backbones import NAMES, find


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_kept(name: str) -> None:
    assert find(name).name == name


@given(st.integers(1, 16), st.integers(1, 20))
def test_a_wide_resnet_has_any_depth_of_6n_plus_4(n: int, width: int) -> None:
    found = find(f"wideresnet-{6 * n + 4}-{width}")
    assert (found.family, found.depth, found.widening) == ("wideresnet", 6 * n + 4, width)


@pytest.mark.parametrize(
    "name",
    [
        "", "vgg", "resnet", "resnet18 ", "Resnet18", "wideresnet", "wideresnet-28", "wideresnet-27-10",
        "wideresnet-4-10", "wideresnet-28-0", "wideresnet-28-21", "wideresnet-106-1", "wideresnet-28-10-1",
        "wideresnet-28-1.5", "wideresnet--28-10", "wideresnet-٢٨-10", "bit50x3", "lenet",
    ],
)  # fmt: skip
def test_other_names_are_refused_by_naming_what_there_is(name: str) -> None:
    with pytest.raises(ValueError, match=r"expected resnet18, .*lenet5.*, or wideresnet-DEPTH-WIDTH such as") as caught:
        find(name)
    assert "6n + 4 up to 100 and WIDTH 1 to 20" in str(caught.value)


def test_zeros_in_front_are_the_same_backbone() -> None:
    assert find("wideresnet-028-10") == find("wideresnet-28-10")


@pytest.mark.parametrize(
    ("name", "fitting", "other"),
    [
        ("resnet101", (32, 64, 512), (28, 48, 100)),
        ("bit50x1", (32, 128, 480), (28, 100)),
        ("wideresnet-28-10", (16, 28, 32, 100), (27, 30)),
        ("lenet5", (28, 32), (16, 27, 64)),
    ],
)
def test_sizes_fit_by_the_stride_of_the_backbone(name: str, fitting: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert all(find(name).fits(size) for size in fitting)
    assert not any(find(name).fits(size) for size in other)


def test_what_can_be_loaded_is_said_in_words() -> None:
    assert "BiT-M-R50x1.npz" in find("bit50x1").weights
    assert "imagenet" in find("resnet18").weights
    assert "imagenet" not in find("wideresnet-28-10").weights
