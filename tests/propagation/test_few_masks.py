"""Seg-M inside a training part: who is drawn, that nothing else is seen, and that it goes on after any end."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cvs_med import datasets, report
from cvs_med.cache import Photographs
from cvs_med.cli import main
from cvs_med.errors import DataError, ProtocolError, RunError
from cvs_med.evaluation import evaluate_run, measure_run
from cvs_med.images import read_mask
from cvs_med.propagation import few_masks
from cvs_med.protocol import load
from cvs_med.report import markdown
from cvs_med.setup import Machine, Setup, prepare
from cvs_med.statistics.metrics import dice
from cvs_med.tables import MaskRow, read_masks, read_predictions
from cvs_med.types import OwnFile

FROZEN = ("network.trainable=head", "augmentation.colour=0", "training.epochs=2")
FEW = (*FROZEN, "masks.per_class=1")
TRAIN, TEST = [0, 1, 2, 3, 4, 5], [6, 7, 8]

Run = Callable[..., object]


def contents(run: Path, *patterns: str) -> dict[str, str]:
    """Digest some files of a run."""
    paths = sorted(path for pattern in patterns for path in run.glob(pattern))
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def rows_of(run: Path, fold: int) -> list[MaskRow]:
    return read_masks(run / f"fold-{fold}" / "masks" / "masks.csv")


@pytest.fixture(scope="module")
def finished(cross_validate: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("few") / "run"
    cross_validate(out, *FEW)
    return out


@pytest.fixture(scope="module")
def phantoms(
    phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory, small: tuple[str, ...]
) -> Callable[..., Setup]:
    """Nine phantoms of three classes, as what folds share."""
    cache = tmp_path_factory.mktemp("cache")

    class Deaf:
        def stage(self, text: str) -> None: ...

        def counted(self, done: int, total: int) -> None: ...

        def epoch(self, fold: int, epoch: object) -> None: ...

    def of(*settings: str) -> Setup:
        protocol = load("phantom", [*small, *FEW, *settings])
        return prepare(protocol, data_dir=phantom_folder, machine=Machine(cache, "cpu", 1), observer=Deaf())

    return of


def test_every_fold_says_who_was_drawn_and_what_was_made(finished: Path, phantom_folder: Path) -> None:
    tested = {row.case_id: row for row in read_predictions(finished / "predictions.csv", _names(finished))}
    assert len(tested) == 9
    for fold in range(3):
        rows = rows_of(finished, fold)
        assert {row.case_id for row in rows} == {name for name, row in tested.items() if row.fold != fold}
        given_rows = [row for row in rows if row.source == "given"]
        assert Counter(tested[row.case_id].label for row in given_rows) == {0: 1, 1: 1, 2: 1}
        pictures = {path.stem for path in (finished / f"fold-{fold}" / "masks").glob("*.png")}
        assert pictures == {row.case_id for row in rows if row.source != "given"}
        assert not list((finished / f"fold-{fold}").rglob("checkpoint.pt"))


def test_what_is_said_of_a_made_mask_is_what_its_picture_shows(finished: Path) -> None:
    rows = {(fold, row.case_id): row for fold in range(3) for row in rows_of(finished, fold) if row.source != "given"}
    assert len(rows) == 9
    for (fold, name), row in rows.items():
        file = OwnFile(finished / f"fold-{fold}" / "masks" / f"{name}.png", empty="allowed")
        mask = read_mask(file, (64, 64))
        with np.load(next(finished.glob(f"fold-*/maps/{name}.npz")), allow_pickle=False) as kept:
            overlap = dice(mask, kept["gold"], kept["field_of_view"])
        assert row.dice == overlap
        assert row.fraction == mask.mean()
        assert row.confidence is not None
        assert 0.5 <= row.confidence <= 1


def test_a_mask_that_was_not_drawn_changes_nothing(finished: Path, phantom_folder: Path, cross_validate: Run) -> None:
    """Masks of the test part and undrawn ones of the training part are drawn anew: all answers stay, to the bit."""
    tested = {row.case_id: row.fold for row in read_predictions(finished / "predictions.csv", _names(finished))}
    fold = 0
    drawn = {row.case_id for row in rows_of(finished, fold) if row.source == "given"}
    folder = _copied(phantom_folder, finished.parent / "other-masks")
    others = [name for name in tested if name not in drawn]
    for path in _mask_files(folder, others):
        with Image.open(path) as image:
            Image.fromarray(np.roll(np.asarray(image.convert("L")), 9, axis=0)).save(path)
    out = finished.parent / "other-masks-run"
    cross_validate(out, *FEW, data_dir=folder)
    kept = "fold-0/model.safetensors", "fold-0/predictions.csv", "fold-0/masks/*.png"
    assert len(contents(out, *kept)) == 2 + 3
    assert contents(out, *kept) == contents(finished, *kept)
    # It shows that the masks were others indeed, and where they are looked at.
    assert (out / "fold-0" / "segmentation.csv").read_bytes() != (finished / "fold-0" / "segmentation.csv").read_bytes()


def test_only_drawn_and_made_masks_reach_the_training(phantoms: Callable[..., Setup], tmp_path: Path) -> None:
    setup = phantoms()
    taught = few_masks.taught(setup, tmp_path, 0, TRAIN)
    drawn = few_masks.draw(setup, 0, TRAIN)
    assert len(drawn) == 3
    assert not taught.photographs.foreground[TEST].any()
    assert torch.equal(taught.photographs.foreground[drawn], setup.photographs.foreground[drawn])
    made = [case for case in TRAIN if case not in drawn]
    assert set(taught.photographs.foreground[made].unique().tolist()) <= {0, 255}
    assert [case.id for case in taught.cases if case.mask] == [setup.cases[case].id for case in drawn]
    assert setup.photographs.foreground[TEST].any()


def test_finished_masks_are_read_and_not_made_again(phantoms: Callable[..., Setup], tmp_path: Path) -> None:
    setup = phantoms()
    first = few_masks.taught(setup, tmp_path, 0, TRAIN)
    before = contents(tmp_path, "masks/*")
    (tmp_path / "masks" / "history.csv").unlink()
    again = few_masks.taught(setup, tmp_path, 0, TRAIN)
    assert torch.equal(first.photographs.foreground, again.photographs.foreground)
    assert contents(tmp_path, "masks/*") == {n: d for n, d in before.items() if n != "masks/history.csv"}


@pytest.mark.parametrize("stop", ["learning from masks", "making masks", "learning from all"])
def test_stopped_and_started_again_it_ends_the_same(
    finished: Path, tmp_path: Path, cross_validate: Run, stop: str
) -> None:
    class Impatient:
        """Stops in the first epoch of the second fold's maker, in its first mask, or in its final training."""

        def __init__(self) -> None:
            self.fold = ""
            self.counts = 0

        def stage(self, text: str) -> None:
            self.fold, self.counts = text, 0

        def counted(self, done: int, total: int) -> None:
            self.counts += 1
            wanted = {"learning from masks": 1, "making masks": 3}.get(stop)
            if self.fold.startswith("Fold 2: 3 masks to learn from, 3 to be made") and self.counts == wanted:
                raise KeyboardInterrupt

        def epoch(self, fold: int, epoch: object) -> None:
            if stop == "learning from all" and fold == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_validate(tmp_path / "run", *FEW, observer=Impatient())
    begun = {path.name for path in (tmp_path / "run" / "fold-1" / "masks").iterdir()}
    assert ("masks.csv" in begun) == (stop == "learning from all")
    cross_validate(tmp_path / "run", *FEW)
    kept = ("predictions.csv", "segmentation.csv", "fold-*/model.safetensors", "fold-*/masks/*.png",
            "fold-*/masks/masks.csv")  # fmt: skip
    assert len(contents(finished, *kept)) == 1 + 1 + 3 + 9 + 3
    assert contents(tmp_path / "run", *kept) == contents(finished, *kept)


def test_the_maker_takes_as_many_steps_as_the_final_training(finished: Path, phantoms: Callable[..., Setup]) -> None:
    # Six cases in batches of four: two steps in each of two epochs. Three masks: one step an epoch.
    assert len((finished / "fold-0" / "history.csv").read_text().splitlines()) == 1 + 2
    assert len((finished / "fold-0" / "masks" / "history.csv").read_text().splitlines()) == 1 + 4
    protocol = phantoms("masks.steps=7").protocol
    assert few_masks._of_the_maker(protocol, 6).training.steps == 7


def test_the_area_of_the_gold_masks_is_no_baseline_here(finished: Path) -> None:
    assert {path.name for path in (finished / "baselines").iterdir()} == {"majority.csv", "probe.csv"}


def test_another_number_of_masks_is_another_run(finished: Path, cross_validate: Run) -> None:
    with pytest.raises(RunError, match="another protocol"):
        cross_validate(finished, *FROZEN, "masks.per_class=2")


def test_too_few_masks_are_told_for_every_fold_before_anything_is_trained(tmp_path: Path, cross_validate: Run) -> None:
    with pytest.raises(DataError) as caught:
        cross_validate(tmp_path / "run", *FROZEN, "masks.per_class=3")
    said = str(caught.value)
    assert "class 'glaucoma': expected at least 3 cases with a mask in the training part of each fold" in said
    assert "found 2, 2, 2" in said
    assert "--masked-per-class 2" in said
    assert not (tmp_path / "run" / "fold-0").exists()


def test_a_training_part_without_any_mask_of_a_class_is_told(phantoms: Callable[..., Setup]) -> None:
    setup = phantoms()
    bare = few_masks.showing(setup, [number for number, label in enumerate(setup.labels) if label != 1])
    with pytest.raises(DataError, match=r"found 0\. Draw more masks, or ask for stratified"):
        few_masks.require_enough(bare, [TRAIN])


def test_masks_without_foreground_are_no_class_of_a_map_alone(phantoms: Callable[..., Setup]) -> None:
    setup = phantoms("loss.class_weight=0")
    foreground = setup.photographs.foreground.clone()
    foreground[[n for n, label in enumerate(setup.labels) if label == 0]] = 0
    empty = replace(setup, photographs=replace(setup.photographs, foreground=foreground))
    with pytest.raises(DataError, match="class 'healthy': expected foreground"):
        few_masks.require_enough(empty, [TRAIN])
    few_masks.require_enough(setup, [TRAIN])


@given(
    foreground=st.lists(st.floats(0, 1, width=32), min_size=16, max_size=16),
    learnt=st.lists(st.lists(st.booleans(), min_size=16, max_size=16), min_size=1, max_size=3),
)
def test_a_cut_mask_is_what_is_more_probable_or_a_guess(foreground: list[float], learnt: list[list[bool]]) -> None:
    shares, drawn = torch.tensor(foreground).reshape(4, 4), torch.tensor(learnt).reshape(-1, 4, 4)
    mask = few_masks.cut(shares, drawn)
    empty = [not any(each) for each in learnt]
    if all(empty):
        assert not mask.any()
    elif (shares >= 0.5).any():
        np.testing.assert_array_equal(mask, shares.numpy() >= 0.5)
    elif any(empty):
        assert not mask.any()
    else:
        assert mask.sum() == max(1, round(float(drawn.double().mean()) * 16))
        assert shares.numpy()[mask].min() >= shares.numpy()[~mask].max(initial=0)


@pytest.mark.parametrize("method", ["classification", "probe"])
def test_a_method_without_a_map_takes_no_masks(method: str) -> None:
    with pytest.raises(ProtocolError, match=r"masks\.per_class .*expected it only with `method: cvs` or multitask"):
        load("phantom", ["masks.per_class=1", f"method={method}"])


def test_steps_alone_say_nothing() -> None:
    with pytest.raises(ProtocolError, match="steps: expected only with per_class"):
        load("phantom", ["masks.steps=10"])


def test_the_final_model_draws_from_all_cases(finished: Path, phantom_folder: Path, tmp_path: Path) -> None:
    asked = ["train", "--dataset", "phantom", "--data-dir", str(phantom_folder), "--cv", str(finished)]
    result = CliRunner().invoke(main, [*asked, "--device", "cpu", "--out", str(tmp_path / "model")])
    assert result.exit_code == 0, result.output
    counts = Counter(row.source for row in read_masks(tmp_path / "model" / "masks" / "masks.csv"))
    assert counts["given"] == 3
    assert counts.total() == 9
    assert measure_run(finished).result.accuracy.n == 9


def _names(run: Path) -> list[str]:
    return list(measure_run(run).class_names)


def _copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def _mask_files(folder: Path, names: list[str]) -> list[Path]:
    cases = datasets.get("phantom").cases(folder)
    return [case.mask for case in cases if case.id in names and isinstance(case.mask, Path)]


def test_the_report_says_what_was_given_and_made_and_shows_it(finished: Path) -> None:
    metrics = evaluate_run(finished).masks
    rows = [row for fold in range(3) for row in rows_of(finished, fold)]
    assert metrics is not None
    assert (metrics.given, metrics.made) == ((3, 3, 3), (3, 3, 3))
    assert metrics.dice is not None
    assert metrics.dice.mean == pytest.approx(np.mean([row.dice for row in rows if row.dice is not None]))
    page = report.write(finished, "md").read_text(encoding="utf-8")
    assert "Each fold learnt from 3 masks that were given; a network made the other 3 of its training part" in page
    assert "The area of the gold mask is left out of the baselines" in page
    with Image.open(finished / "figures" / "made-masks.png") as grid:
        assert grid.width > 3 * 128
        assert grid.height > 3 * 128
    (made,) = [line for line in page.splitlines() if "(figures/made-masks.png)" in line]
    shown = {row.case_id for row in rows_of(finished, 0) if row.source != "given"}
    assert all(markdown.escape(name) in made for name in shown)


def test_a_damaged_mask_is_named(finished: Path, tmp_path: Path) -> None:
    run = _copied(finished, tmp_path / "run")
    for path in (run / "fold-0" / "masks").glob("*.png"):
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(RunError, match=r"masks/\d\d_\w+\.png"):
        report.write(run, "md")


def test_photographs_keep_their_key(phantoms: Callable[..., Setup]) -> None:
    """Features of a frozen encoder are found under it, whatever masks a fold may see."""
    setup = phantoms()
    shown: Photographs = few_masks.showing(setup, [0]).photographs
    assert shown.key == setup.photographs.key
    assert shown.has_mask == (True, *[False] * 8)
