"""What was published: the figures as the paper has them, and never in a column with what was measured."""

import csv
import io
from collections import Counter

import pytest

from cvs_med import backbones, reported
from cvs_med.reported import compare, load
from cvs_med.statistics.metrics import proportion
from cvs_med.sweep_table import Row, SweepTable

FIGURES = load()


def a_sweep(dataset: str = "mnist", backbone: str = "wideresnet-28-10", **rows: tuple[int, ...]) -> SweepTable:
    """Give a table of 5 samples a class, with these right answers of 200 for each method."""
    found = tuple(Row(method=method, samples=5, right=right, tested=200) for method, right in rows.items())
    return SweepTable(dataset=dataset, backbone=backbone, augmentation="paper", masks="Binarized.", rows=found)


def figures(dataset: str, backbone: str | None, system: str) -> dict[int | str, float]:
    (found,) = [f for f in FIGURES.accuracy if (f.dataset, f.backbone, f.system) == (dataset, backbone, system)]
    return found.percent


def test_the_figures_are_the_paper_s() -> None:
    assert figures("mnist", "resnet101", "CvS")[1] == 71
    assert figures("mnist", "wideresnet-28-10", "multi-task")["full"] == 99.45
    assert figures("cifar10", "resnet101", "CvS, all masks by hand")[10] == 73.94
    assert figures("cifar10", "wideresnet-28-10", "CvS (Seg-100)") == {500: 80.76, 1000: 85.81, "full": 93.18}
    assert figures("cifar10", None, "Big Transfer")[5] == 94
    assert figures("cifar100", "resnet101", "CvS (Seg-10)")["full"] == 83.9
    assert Counter(each.dataset for each in FIGURES.accuracy) == {"mnist": 7, "cifar10": 10, "cifar100": 7}


def test_the_figures_are_percentages_of_known_backbones_once_each() -> None:
    assert all(0 < percent <= 100 for each in FIGURES.accuracy for percent in each.percent.values())
    for each in FIGURES.accuracy:
        assert each.backbone is None or backbones.find(each.backbone).name == each.backbone
    names = [(each.dataset, each.title) for each in FIGURES.accuracy]
    assert len(set(names)) == len(names)


def test_the_counts_of_hrf_are_what_their_percentages_say() -> None:
    whole = {each.system: each for each in FIGURES.cross_validation}
    for each in whole.values():
        if each.right is not None:
            share = proportion(each.right, 45).share
            assert share is not None
            assert round(100 * share, 2) == each.percent
    near = [abs(100 * right / 45 - whole["multi-task"].percent) for right in range(46)]
    assert min(near) > 0.5


def test_measured_and_reported_are_never_in_one_column() -> None:
    sweeps = {"mine": a_sweep(cvs=(100, 120), classification=(40, 50))}
    text = reported.markdown(compare(sweeps, FIGURES.accuracy))
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    columns = dict(zip(lines[0], zip(*lines[2:], strict=True), strict=True))
    assert lines[0][1:3] == ["mine: cvs, measured", "mine: classification, measured"]
    assert all(name.endswith(", reported") for name in lines[0][3:])
    assert len(lines[0]) == 6  # of MNIST's seven published systems, the three with this backbone
    assert columns["mine: cvs, measured"][1] == "55.00 (50.00 to 60.00, 2 seeds)"
    assert set(columns["mine: cvs, measured"]) == {"", "55.00 (50.00 to 60.00, 2 seeds)"}
    assert columns["CvS, Wide-ResNet-28-10, reported"] == (
        "54", "88", "90.9", "95.68", "97.41", "97.95", "99.08", "99.25", "99.51"
    )  # fmt: skip
    assert columns["samples a class"] == ("1", "5", "10", "25", "50", "100", "500", "1000", "full")


def test_the_csv_keeps_them_apart_too() -> None:
    sweeps = {"mine": a_sweep(cvs=(100, 120)), "theirs": a_sweep("cifar10", "resnet101", cvs=(20,))}
    rows = list(csv.DictReader(io.StringIO(reported.csv(compare(sweeps, FIGURES.accuracy)))))
    measured = [row for row in rows if row["run"]]
    assert [(row["dataset"], row["measured_mean"], row["reported"]) for row in measured] == [
        ("mnist", "55.0", ""), ("cifar10", "10.0", "")
    ]  # fmt: skip
    assert all(row["reported"] and not row["measured_mean"] for row in rows if not row["run"])
    assert {row["system"] for row in rows if row["dataset"] == "cifar10"} == {
        "cvs", "Big Transfer", "Deep Metric Transfer", "classification, ResNet-101", "CvS (Seg-10), ResNet-101",
        "CvS (Seg-100), ResNet-101", "CvS, all masks by hand, ResNet-101",
    }  # fmt: skip


def test_for_a_network_that_nobody_published_all_figures_stand_and_it_is_said() -> None:
    (small,) = compare({"mine": a_sweep(backbone="wideresnet-10-1", cvs=(20,))}, FIGURES.accuracy)
    assert len(small.published) == 7
    said = "Nothing was published for wideresnet-10-1: the reported figures are of other networks."
    assert said in small.markdown()
    (same,) = compare({"mine": a_sweep(cvs=(20,))}, FIGURES.accuracy)
    assert said[:21] not in same.markdown()
    (unknown,) = compare({"mine": a_sweep("digits", cvs=(20,))}, FIGURES.accuracy)
    assert "published" not in unknown.markdown()


@pytest.mark.parametrize("which", ["mnist", "cifar10"])
def test_without_published_figures_only_what_was_measured_is_shown(which: str) -> None:
    (only,) = compare({"mine": a_sweep(which, cvs=(1,))}, ())
    assert "reported" not in only.markdown()
    assert "0.50 (1 seed)" in only.markdown()
