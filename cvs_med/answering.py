"""The folds of a run, one after the other or one alone, and the baselines on the same folds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cvs_med import baselines
from cvs_med.decisions import put_together
from cvs_med.folds import as_predictions, run_fold
from cvs_med.inner import inner_answers
from cvs_med.propagation import few_masks
from cvs_med.run_folder import RunFolder
from cvs_med.selection import Choice, choose, record
from cvs_med.setup import Setup, timed
from cvs_med.tables import Segmentation, write_predictions, write_segmentation
from cvs_med.types import Floats, Prediction

Parts = Sequence[tuple[Sequence[int], Sequence[int]]]

Setups = Mapping[str, Setup]
"""What the folds share, for each protocol that they choose from."""

ONLY = ""
"""Name of the protocol of a run that chooses nothing."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a fold needs.

    Attributes:
        setups: what the folds share, for each protocol that they choose from.
        parts: the cases that each fold learns from and answers for.
    """

    setups: Setups
    parts: Parts


@dataclass(frozen=True, slots=True)
class Answered:
    """What a fold gave.

    Attributes:
        predictions: for each test case.
        segmentation: how well each was segmented, for a method with a map.
        choice: which protocol was chosen inside; None where there was one only.
        inner: answers to its training part by networks that had not seen them; None where nothing was to be decided.
    """

    predictions: list[Prediction]
    segmentation: list[Segmentation]
    choice: Choice | None
    inner: list[Prediction] | None


def run_one(run: Prepared, folder: RunFolder, number: int) -> Answered:
    """Run one fold, or read it if it is done; where protocols are to choose from, choose first."""
    train, test = run.parts[number]
    inside = folder.fold(number) / "inner"
    choice = choose(run.setups, inside, number, train) if ONLY not in run.setups else None
    name = choice.chosen if choice else ONLY
    setup = run.setups[name]
    title = f"Fold {number + 1} of {len(run.parts)}"
    inner = None
    # Before the fold is called done: whoever finds it done finds these too.
    if setup.protocol.inner.decides:
        setup.observer.stage(f"{title}: what its training part decides for its {len(test)} to test")
        inner = inner_answers(setup, inside / name, number, train)
    setup.observer.stage(f"{title}: {len(train)} to learn from, {len(test)} to test")
    taught = setup
    if setup.protocol.masks.per_class and not folder.done(number):
        taught = few_masks.taught(setup, folder.fold(number), number, train)
    predictions, rows = run_fold(setup, folder.fold(number), number, train, test, taught)
    return Answered(predictions, rows, choice, inner)


def run_folds(run: Prepared, folder: RunFolder) -> None:
    """Run every fold that is not done, and write what all of them gave together."""
    answered = [run_one(run, folder, number) for number in range(len(run.parts))]
    # Folds that chose a protocol without a map still have their rows, which say that nothing is known.
    rows = [
        row
        for each in answered
        for row in each.segmentation
        or [Segmentation(found.case_id, found.fold, None, None, None, None) for found in each.predictions]
    ]
    if any(row.predicted_fraction is not None for row in rows):
        write_segmentation(folder.path / "segmentation.csv", rows)
    if choices := [each.choice for each in answered if each.choice]:
        folder.write_json("selection.json", record(choices))
    if inner := [each.inner for each in answered if each.inner is not None]:
        asked = next(iter(run.setups.values())).protocol.inner
        decisions = put_together(inner, [each.predictions for each in answered], asked)
        folder.write_json("decisions.json", decisions.model_dump(mode="json"))
    predictions = [row for each in answered for row in each.predictions]
    names = next(iter(run.setups.values())).dataset.class_names
    write_predictions(folder.path / "predictions.csv", predictions, names)


def run_baselines(setup: Setup, folder: RunFolder, parts: Parts) -> None:
    """Write a table for every baseline that the data allow."""
    setup.observer.stage("Trivial baselines on the same folds")
    with timed(setup.seconds, "baselines"):
        for name, guess in _baselines(setup).items():
            predictions = [
                row
                for number, (train, test) in enumerate(parts)
                for row in as_predictions(setup, number, test, guess(train, test))
            ]
            write_predictions(folder.baseline(name), predictions, setup.dataset.class_names)


def _baselines(setup: Setup) -> dict[str, Callable[[Sequence[int], Sequence[int]], Floats]]:
    labels, classes = setup.labels, setup.classes
    chosen: dict[str, Callable[[Sequence[int], Sequence[int]], Floats]] = {
        "majority": lambda _, test: baselines.majority(labels, setup.tested, test, classes)
    }
    # It learns from all masks, and reads those of the test part.
    if all(setup.photographs.has_mask) and not setup.protocol.masks.per_class:
        chosen["mask-area"] = lambda train, test: baselines.mask_area(setup.photographs, labels, train, test, classes)
    if setup.protocol.method != "probe":
        settings = setup.protocol.probe
        chosen["probe"] = lambda train, test: baselines.probe(setup.features, settings, labels, train, test, classes)
    return chosen
