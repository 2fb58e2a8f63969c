"""All that a run's folder knows, read once; every section of a report is written from it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from cvs_med.datasets import masks
from cvs_med.decisions import Decisions
from cvs_med.errors import RunError
from cvs_med.evaluation import DatasetCard, Folds, RunMetrics, decided, evaluate_run, read_json
from cvs_med.evaluation.doubts import Doubts, doubts
from cvs_med.report import benefit, history, kept_audit
from cvs_med.report.benefit import Benefit
from cvs_med.report.differences import Difference, against_baselines
from cvs_med.report.kept_audit import KeptAudit
from cvs_med.tables import Segmentation, read_predictions, read_segmentation
from cvs_med.types import Prediction


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a run.

    Attributes:
        path: its folder.
        metrics: what was reached.
        dataset: what is known about the data set.
        folds: who was tested when.
        predictions: the method's.
        differences: the method against each baseline.
        segmentation: overlap of the maps with the reference masks; empty for a method without a map.
        losses: fold and its loss after each epoch.
        protocol: text of protocol.yaml.
        settings: the same as values; of a run that chose, those of the first candidate.
        methods: of the networks that were trained: one, or those of all candidates.
        environment: where and how it was run.
        audit: of the data set; None where it was not audited.
        doubts: labels that the method's answers contradict.
        masks: where the masks come from, if they are not the data set's own.
        decisions: what each training part decided; None where nothing was asked for.
        benefit: decision curve at a stated prevalence; None where none was stated.
    """

    path: Path
    metrics: RunMetrics
    dataset: DatasetCard
    folds: Folds
    predictions: Sequence[Prediction]
    differences: Sequence[Difference]
    segmentation: Sequence[Segmentation]
    losses: Sequence[tuple[int, Sequence[float]]]
    protocol: str
    settings: Mapping[str, Any]
    methods: frozenset[str]
    environment: Mapping[str, str | int | float | None]
    audit: KeptAudit | None
    doubts: Doubts
    masks: str | None
    decisions: Decisions | None = None
    benefit: Benefit | None = None

    @property
    def numbers(self) -> dict[str, Any]:
        """Everything that metrics.json holds."""
        return asdict(self.metrics)

    @property
    def explained(self) -> bool:
        """Whether every answer follows exactly from a map."""
        return self.methods == {"cvs"}

    @property
    def pooled(self) -> bool:
        """Whether images of other folders were learnt from too."""
        return bool(self.settings.get("also_train"))

    @property
    def class_counts(self) -> list[tuple[str, int]]:
        """Name of each class and its cases."""
        counts = Counter(p.label for p in self.predictions)
        return [(name, counts[number]) for number, name in enumerate(self.metrics.class_names)]

    @property
    def groups(self) -> int:
        """Number of groups; 0 where none are known."""
        return len({p.group for p in self.predictions} - {""})

    @property
    def cases(self) -> int:
        """Number of cases."""
        return len(self.predictions)

    @property
    def command(self) -> str:
        """What to type to have it again."""
        return str(self.environment.get("command") or "cvs-med cv --protocol protocol.yaml --out NEW-FOLDER")


def gather(run: Path, prevalence: tuple[str, float] | None = None) -> Facts:
    """Evaluate a run, which writes its metrics.json, and read everything else that it holds.

    Args:
        run: its folder.
        prevalence: a class and how frequent it is where the tool would be used, for a decision curve.

    Raises:
        RunError: the run is not finished, or a file of it is missing or damaged.
        CvsMedError: there is no such class.
    """
    metrics = evaluate_run(run)
    names = metrics.class_names
    predictions = read_predictions(run / "predictions.csv", names)
    baselines = {name: read_predictions(run / "baselines" / f"{name}.csv", names) for name in metrics.baselines}
    table = run / "segmentation.csv"
    decisions = decided.read(run)
    protocol = _read_text(run / "protocol.yaml")
    return Facts(
        path=run,
        metrics=metrics,
        dataset=read_json(run / "dataset.json", DatasetCard),
        folds=read_json(run / "folds.json", Folds),
        predictions=predictions,
        differences=against_baselines(predictions, baselines),
        segmentation=read_segmentation(table) if table.exists() else [],
        losses=history.losses(run),
        protocol=protocol,
        settings=yaml.safe_load(protocol),
        methods=_methods(run, metrics),
        environment=read_json(run / "environment.json", dict[str, str | int | float | None]),
        audit=kept_audit.read(run),
        doubts=doubts(predictions, names),
        masks=masks.describe(run) if (run / masks.ORIGIN).exists() else None,
        decisions=decisions,
        benefit=benefit.measure(predictions, decisions, names, prevalence) if prevalence else None,
    )


def _methods(run: Path, metrics: RunMetrics) -> frozenset[str]:
    if not metrics.selected:
        return frozenset({metrics.method})
    kept = [_read_text(run / "candidates" / name / "protocol.yaml") for name in metrics.selected]
    return frozenset(str(yaml.safe_load(text)["method"]) for text in kept)


def to_json(facts: Facts) -> str:
    """Give all numbers of a report as JSON."""
    content = {
        "metrics": facts.numbers,
        "differences": [asdict(each) for each in facts.differences],
        "dataset": facts.dataset.model_dump(),
        "folds": facts.folds.model_dump(),
        "protocol": facts.settings,
        "environment": facts.environment,
        "audit": facts.audit.model_dump() if facts.audit else None,
        "doubted_labels": [asdict(each) for each in facts.doubts.found],
        "masks": facts.masks,
        "decision_curve": asdict(facts.benefit) if facts.benefit else None,
        "decisions": facts.decisions.model_dump() if facts.decisions else None,
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: {error}. Is {path.parent} the folder of a run?") from error
