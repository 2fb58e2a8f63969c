"""What a result cost: labels and masks that a person makes, and the seconds of its trainings."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cvs_med import annotation_cost, reported, sweep_table
from cvs_med.annotation_cost import Cost, Seconds
from cvs_med.errors import CvsMedError, RunError
from cvs_med.report import cost as drawing
from cvs_med.sweep_plan import Cell, folder_of
from cvs_med.sweep_table import Row, SweepTable
from cvs_med.tables import write_bytes

PUBLISHED = reported.load().annotation_seconds
CIFAR10 = annotation_cost.seconds("cifar10", None, None, PUBLISHED)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A sweep of CIFAR-10, five images a class and two seeds: by hand, by Seg-10, and without a map."""
    rows = []
    for name, seconds, learnt in (("cvs", 30, None), ("cvs(seg-10)", 20, 100), ("classification", 10, None)):
        rows.append(Row(method=name, samples=5, right=(50, 70), tested=100))
        for seed in (0, 1):
            cell = tmp_path / "run" / Cell(name, 5, seed).folder
            cell.mkdir(parents=True)
            draw = {"train": [f"c{n}" for n in range(50)], "test": [], "masks": "", "propagated_from": learnt}
            # The first draw is all among the images that the network had learnt which made the masks.
            draw["propagated_labels"] = 50 * seed if learnt else 0
            (cell / "draw.json").write_text(json.dumps(draw))
            (cell / "history.csv").write_text(f"epoch,loss,seconds\n1,0.5,{seconds}.000\n2,0.4,{seed}.500\n")
        protocol = f"dataset: cifar10\nmethod: {name.split('(')[0]}\n".encode()
        write_bytes(tmp_path / "run" / folder_of(name) / "protocol.yaml", protocol)
    table = SweepTable(dataset="cifar10", backbone="b", augmentation="paper", masks="", rows=tuple(rows))
    sweep_table.write(tmp_path / "run", table)
    return tmp_path / "run"


def test_labels_and_masks_cost_what_was_published(run: Path) -> None:
    by_hand, propagated, plain = annotation_cost.costs(run, CIFAR10)
    assert (by_hand.labels, by_hand.masks) == (50, 50)
    assert by_hand.annotation_seconds == pytest.approx(50 * 3.5 + 50 * 29.52)
    # Of one draw all had been learnt by the network that made the masks; of the other none, and their classes cost too.
    assert (propagated.labels, propagated.masks) == (75, 100)
    assert propagated.annotation_seconds == pytest.approx(75 * 3.5 + 100 * 29.52)
    assert (plain.masks, plain.annotation_seconds) == (0, 175)
    assert [each.accuracy for each in (by_hand, propagated, plain)] == [60, 60, 60]
    assert [each.training_seconds for each in (by_hand, propagated, plain)] == [31, 21, 11]


@pytest.mark.parametrize(
    ("dataset", "given", "found"),
    [
        ("cifar10", (None, None), (3.5, 29.52)), ("cifar100", (None, None), (8.5, 29.52)),
        ("cifar10", (1, None), (1, 29.52)), ("mnist", (2, 0), (2, 0)),
    ],
)  # fmt: skip
def test_what_is_given_comes_before_what_was_published(
    dataset: str, given: tuple[float | None, float | None], found: tuple[float, float]
) -> None:
    assert annotation_cost.seconds(dataset, *given, PUBLISHED) == Seconds(*found)


def test_what_is_neither_given_nor_published_is_asked_for() -> None:
    with pytest.raises(CvsMedError, match="Expected --seconds-per-label and --seconds-per-mask for hrf"):
        annotation_cost.seconds("hrf", None, None, PUBLISHED)
    with pytest.raises(CvsMedError, match="Expected --seconds-per-mask for mnist"):
        annotation_cost.seconds("mnist", 1, None, PUBLISHED)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_price_is_a_finite_number(value: float) -> None:
    with pytest.raises(CvsMedError, match="Expected --seconds-per-mask as a number of seconds"):
        annotation_cost.seconds("mnist", 1, value, PUBLISHED)


def test_a_cross_validation_costs_the_training_part_of_a_fold(
    cross_validate: Callable[..., object], tmp_path: Path
) -> None:
    cross_validate(tmp_path / "cv")
    (found,) = annotation_cost.costs(tmp_path / "cv", Seconds(2, 10))
    assert (found.dataset, found.method, found.samples, found.labels, found.masks) == ("phantom", "cvs", "fold", 6, 6)
    assert found.annotation_seconds == 72
    assert found.training_seconds > 0
    assert annotation_cost.one_dataset([tmp_path / "cv"]) == "phantom"


def test_only_masks_that_a_person_draws_cost(cross_validate: Callable[..., object], tmp_path: Path) -> None:
    cross_validate(tmp_path / "cv", "masks.per_class=1")
    (found,) = annotation_cost.costs(tmp_path / "cv", Seconds(2, 10))
    assert (found.labels, found.masks) == (6, 3)
    assert found.annotation_seconds == 42


def test_images_that_a_run_does_not_count_are_not_passed_over(
    cross_validate: Callable[..., object], tmp_path: Path
) -> None:
    cross_validate(tmp_path / "cv")
    protocol = tmp_path / "cv" / "protocol.yaml"
    protocol.write_text(protocol.read_text().replace("also_train: []", "also_train: [other]"))
    with pytest.raises(RunError, match="expected a run that learnt from 9 images of its own, found one that learnt"):
        annotation_cost.costs(tmp_path / "cv", Seconds(2, 10))


def test_runs_of_several_data_sets_are_refused(run: Path, tmp_path: Path) -> None:
    other = sweep_table.read(run).model_copy(update={"dataset": "mnist"})
    (tmp_path / "other").mkdir()
    sweep_table.write(tmp_path / "other", other)
    with pytest.raises(CvsMedError, match="Expected runs of one data set, found cifar10, mnist"):
        annotation_cost.one_dataset([run, tmp_path / "other"])


@pytest.mark.parametrize("content", [None, "", "epoch,loss\n1,2\n", "epoch,loss,seconds\n1,2\n", "seconds\nx\n"])
def test_a_damaged_history_is_named(run: Path, content: str | None) -> None:
    path = run / "cvs" / "5-per-class" / "seed-1" / "history.csv"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(RunError, match=r"history\.csv: expected the seconds of every epoch"):
        annotation_cost.costs(run, CIFAR10)


def test_tables_hold_every_number(run: Path) -> None:
    found = annotation_cost.costs(run, CIFAR10)
    header, rows = annotation_cost.table(found)
    assert [row[0] for row in rows] == ["run: classification", "run: cvs", "run: cvs(seg-10)"]
    assert all(len(row) == len(header) for row in rows)
    lines = annotation_cost.to_csv(found).splitlines()
    assert lines[0] == ",".join(annotation_cost.HEADER)
    assert lines[2].split(",")[2:6] == ["cvs(seg-10)", "5", "75.0", "100.0"]


def test_the_figure_is_drawn_and_told_in_words(run: Path, tmp_path: Path) -> None:
    figure = drawing.figure(annotation_cost.costs(run, CIFAR10))
    write_bytes(tmp_path / "cost.png", figure.png)
    with Image.open(tmp_path / "cost.png") as picture:
        assert picture.width > picture.height > 100
    assert "run: cvs(seg-10), 5: 60.00 % for 0.89 h" in figure.alt


def test_a_single_probe_without_training_is_drawn_too() -> None:
    point = Cost("phantom", "r$", "probe", "fold", 6, 0, 12, 50, 0)
    assert drawing.figure([point]).png.startswith(b"\x89PNG")


@pytest.mark.parametrize("seconds", [10, 50, 100])
def test_the_area_is_in_proportion_to_the_time(seconds: float) -> None:
    assert drawing.area(seconds, 100) == pytest.approx(seconds / 100 * drawing.area(100, 100))
    assert drawing.area(0, 100) > 0
