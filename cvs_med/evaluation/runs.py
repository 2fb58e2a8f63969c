"""A run folder, measured: the method and its baselines, on the folds of folds.json."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from cvs_med.errors import RunError
from cvs_med.evaluation import decided
from cvs_med.evaluation.files import Folds, Selected, read_card, read_json, read_method
from cvs_med.evaluation.made_masks import made_masks
from cvs_med.evaluation.maps import each_case, outline_distance
from cvs_med.evaluation.measures import balance, by_fold, evaluate, spread
from cvs_med.evaluation.result import Metrics, RunMetrics
from cvs_med.statistics.centrelines import centreline_dice
from cvs_med.tables import Segmentation, read_predictions, read_segmentation, write_bytes
from cvs_med.types import Prediction


def evaluate_run(run: Path) -> RunMetrics:
    """Measure the method and every baseline of a run folder, its maps too, and write metrics.json there.

    Raises:
        RunError: as for `measure_run`, or the file of a case's map is damaged.
    """
    evaluated = measure_run(run)
    if evaluated.result.dice_working:
        evaluated = replace(evaluated, result=_with_maps(run, evaluated.class_names, evaluated.result))
    text = json.dumps(asdict(evaluated), indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(run / "metrics.json", f"{text}\n".encode())
    return evaluated


def _with_maps(run: Path, names: Sequence[str], result: Metrics) -> Metrics:
    """Measure lines along their middle, and regions along their outlines."""
    predictions = read_predictions(run / "predictions.csv", names)
    if read_card(run).foreground_shape == "lines":
        return replace(result, centreline_dice=spread(each_case(run, predictions, centreline_dice)))
    return replace(result, outline_distance=spread(each_case(run, predictions, outline_distance)))


def measure_run(run: Path) -> RunMetrics:
    """Measure the method and every baseline of a run folder from its tables alone, and write nothing.

    Raises:
        RunError: a file is missing or damaged, a table does not fit folds.json, or the folder is one of repeats.
    """
    dataset = read_card(run)
    names = dataset.class_names
    folds = read_json(run / "folds.json", Folds)
    chosen = run / "selection.json"
    maps = run / "segmentation.csv"
    tables = {path.stem: path for path in sorted((run / "baselines").glob("*.csv"))}
    predictions = read_predictions(run / "predictions.csv", names)
    decisions = decided.read(run)
    segmentation = read_segmentation(maps) if maps.exists() else ()
    return RunMetrics(
        method=read_method(run),
        splits=folds.kind,
        foreground=dataset.foreground,
        class_names=tuple(names),
        result=_measure(run / "predictions.csv", predictions, names, folds, segmentation),
        baselines={name: _measure(path, read_predictions(path, names), names, folds) for name, path in tables.items()},
        balance=balance(predictions, names),
        selected=read_json(chosen, Selected).chosen if chosen.exists() else None,
        decided=decided.measure(decisions, predictions, names) if decisions else None,
        masks=made_masks(run, len(folds.folds)),
    )


def _measure(
    path: Path,
    predictions: Sequence[Prediction],
    names: Sequence[str],
    folds: Folds,
    segmentation: Sequence[Segmentation] = (),
) -> Metrics:
    try:
        metrics = evaluate(predictions, (case for fold in folds.folds for case in fold), names, segmentation)
    except RunError as error:
        raise RunError(f"{path}: {error}") from error
    tested = [sorted(p.case_id for p in part) for _, part in by_fold(predictions)]
    if tested != [sorted(fold) for fold in folds.folds]:
        raise RunError(f"{path}: expected the folds of folds.json, found others. Run again in a new folder.")
    return metrics
