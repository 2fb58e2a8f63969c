"""Decision curves: drawn only where somebody states how frequent the disease is."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cvs_med import report
from cvs_med.cli import main
from cvs_med.decisions import Decided, Decisions
from cvs_med.errors import CvsMedError
from cvs_med.evaluation import measure_run
from cvs_med.report import benefit
from cvs_med.statistics.decision import net_benefit
from cvs_med.tables import read_predictions


def test_without_a_prevalence_there_is_no_decision_curve(map_run: Path) -> None:
    assert "worth it" not in report.write(map_run, "md").read_text(encoding="utf-8")
    assert not (map_run / "figures" / "decision_curve.png").exists()
    assert json.loads(report.write(map_run, "json").read_text(encoding="utf-8"))["decision_curve"] is None


def test_a_stated_prevalence_is_drawn_and_said(map_run: Path) -> None:
    result = CliRunner().invoke(main, ["report", str(map_run), "--format", "md", "--prevalence", "healthy=0.1"])
    assert result.exit_code == 0, result.output
    said = (map_run / "report.md").read_text(encoding="utf-8")
    assert "At a stated prevalence of 10.0 %" in said
    assert "figures/decision_curve.png" in said
    assert (map_run / "figures" / "decision_curve.png").stat().st_size > 0
    kept = json.loads(report.write(map_run, "json", ("healthy", 0.1)).read_text(encoding="utf-8"))["decision_curve"]
    assert (kept["class_name"], kept["calibrated"], kept["curve"]["prevalence"]) == ("healthy", False, 0.1)


def test_the_curve_is_of_the_calibrated_probabilities_where_there_are_any(map_run: Path) -> None:
    names = measure_run(map_run).class_names
    rows = read_predictions(map_run / "predictions.csv", names)
    cases = [Decided(case_id=row.case_id, probabilities=(0.3, 0.7)) for row in rows]
    kept = Decisions(calibrated=True, risk=None, coverage=None, folds=[], together=None, cases=cases)
    found = benefit.measure(rows, kept, names, ("healthy", 0.2))
    positive = np.array([row.label == 0 for row in rows])
    assert found.calibrated
    assert found.curve == net_benefit(positive, np.full(len(rows), 0.3), np.arange(1, 100) / 100, 0.2)


@pytest.mark.parametrize("text", ["healthy", "=0.1", "healthy=", "healthy=1", "healthy=0", "healthy=nan", "healthy=5%"])
def test_what_states_no_prevalence_is_refused(map_run: Path, text: str) -> None:
    result = CliRunner().invoke(main, ["report", str(map_run), "--prevalence", text])
    assert result.exit_code == 2
    assert "Expected CLASS=SHARE" in result.stderr


def test_a_class_may_have_any_name_but_must_exist(map_run: Path) -> None:
    assert benefit.parse("a = b=0.25") == ("a = b", 0.25)
    with pytest.raises(CvsMedError, match="one of 'ill'"):
        report.write(map_run, "json", ("ill", 0.1))
