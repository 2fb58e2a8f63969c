"""From a run folder to what a person looks at: metrics.json, figures, an overlay for every case, report.html."""

from collections.abc import Sequence
from pathlib import Path

from cvs_med.errors import RunError
from cvs_med.evaluation import DatasetCard, Folds, RunMetrics, evaluate_run, read_json
from cvs_med.report import figures, gallery, history, html
from cvs_med.tables import Segmentation, read_predictions, read_segmentation, write_bytes
from cvs_med.types import Prediction


def write(run: Path) -> Path:
    """Evaluate a run, draw everything, and write report.html into its folder.

    Args:
        run: a finished run folder.

    Returns:
        The page.

    Raises:
        RunError: the run is not finished, or a file of it is missing or damaged.
    """
    metrics = evaluate_run(run)
    predictions = read_predictions(run / "predictions.csv", metrics.class_names)
    table = run / "segmentation.csv"
    segmentation = read_segmentation(table) if table.exists() else []
    drawn = _draw_figures(run, metrics, predictions, segmentation)
    dice = {row.case_id: row.dice_working for row in segmentation}
    page = html.Page(
        run=metrics,
        dataset=read_json(run / "dataset.json", DatasetCard),
        folds=read_json(run / "folds.json", Folds),
        predictions=predictions,
        segmentation=segmentation,
        figures={figure.name: figure for figure in drawn},
        cards=gallery.draw(run, predictions, metrics.class_names, dice),
        protocol=_read_text(run / "protocol.yaml"),
        environment=read_json(run / "environment.json", dict[str, str | int | float | None]),
    )
    path = run / "report.html"
    write_bytes(path, html.render(page).encode())
    return path


def _draw_figures(
    run: Path, metrics: RunMetrics, predictions: Sequence[Prediction], segmentation: Sequence[Segmentation]
) -> list[figures.Figure]:
    """Draw the figures that the run has the numbers for, and keep each as a file."""
    drawn = [figures.accuracy(metrics), figures.confusion(metrics)]
    losses = history.losses(run)
    if losses:
        drawn.append(figures.learning(losses))
    if metrics.result.dice_working:
        wrong = frozenset(p.case_id for p in predictions if p.predicted != p.label)
        drawn.append(figures.dice(segmentation, wrong, metrics.foreground))
    folder = run / "figures"
    folder.mkdir(exist_ok=True)
    for figure in drawn:
        write_bytes(folder / f"{figure.name}.png", figure.png)
    return drawn


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: {error}. Is {path.parent} the folder of a run?") from error
