"""From predictions.csv to metrics with intervals; no network is needed, so any run can be evaluated again."""

from cvs_med.evaluation.files import DatasetCard, Folds, read_card, read_json, read_method
from cvs_med.evaluation.measures import evaluate
from cvs_med.evaluation.result import (
    INTERVAL_CAVEAT,
    Balance,
    ClassMetrics,
    FoldMetrics,
    GroupedAccuracy,
    MadeMasks,
    Metrics,
    RunMetrics,
    Siblings,
    Spread,
)
from cvs_med.evaluation.runs import evaluate_run, measure_run
from cvs_med.tables import read_predictions, write_predictions

__all__ = [
    "INTERVAL_CAVEAT", "Balance", "ClassMetrics", "DatasetCard", "FoldMetrics", "Folds", "GroupedAccuracy", "MadeMasks",
    "Metrics", "RunMetrics", "Siblings", "Spread", "evaluate", "evaluate_run", "measure_run", "read_card",
    "read_json", "read_method", "read_predictions", "write_predictions",
]  # fmt: skip
