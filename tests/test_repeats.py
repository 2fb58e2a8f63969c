"""Repeats: which runs are made, what is kept, and what they say together."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from cvs_med.comparison import compare
from cvs_med.decisions import Abstention, Decided, Decisions
from cvs_med.errors import RunError
from cvs_med.protocol import Protocol, dump
from cvs_med.repeats import repeat, require_single, runs_in
from cvs_med.report.repeats import show
from cvs_med.tables import read_predictions, write_predictions
from cvs_med.types import Prediction

NAMES = ["healthy", "ill"]
CASES = 12
WRONG = {5: {0, 3}, 6: {0}, 7: {0, 3, 4}}
CARD = {"name": "made", "title": "Made", "class_names": NAMES, "class_codes": ["h", "i"], "foreground": "spots"}


class Runner:
    """Writes what a run leaves behind: wrong cases by seed, three folds."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.photographs = "these"

    def __call__(self, protocol: Protocol, folder: Path) -> None:
        seed = protocol.splits.seed
        self.seeds.append(seed)
        order = np.random.default_rng(seed).permutation(CASES).reshape(3, 4)
        rows = [self._row(int(case), fold, seed) for fold, part in enumerate(order) for case in part]
        folder.mkdir(parents=True)
        write_predictions(folder / "predictions.csv", rows, NAMES)
        (folder / "baselines").mkdir()
        flat = [Prediction(row.case_id, row.group, row.fold, row.label, (1.0, 0.0)) for row in rows]
        write_predictions(folder / "baselines" / "majority.csv", flat, NAMES)
        folds = [[f"{case:02d}" for case in part] for part in order]
        (folder / "folds.json").write_text(json.dumps({"kind": "random", "seed": seed, "folds": folds}))
        (folder / "protocol.yaml").write_text(dump(protocol))
        (folder / "dataset.json").write_text(
            json.dumps(CARD | {"licence": "none", "citation": "none", "notes": [], "cases": CASES})
        )
        (folder / "inputs.json").write_text(json.dumps({"photographs": self.photographs, "encoder": str(seed)}))
        (folder / "report.html").write_text("")

    def _row(self, case: int, fold: int, seed: int) -> Prediction:
        ill = float((case % 2 == 1) != (case in WRONG[seed]))
        return Prediction(f"{case:02d}", "", fold, case % 2, (1 - ill, ill))


def asked(method: str = "cvs") -> Protocol:
    return Protocol.model_validate({"dataset": "made", "method": method, "splits": {"seed": 5, "folds": 3}})


def test_counts_range_and_interval(tmp_path: Path) -> None:
    found = repeat(asked(), tmp_path, 3, Runner())
    assert found.seeds == (5, 6, 7)
    assert (found.result.right, found.result.mean, found.result.low, found.result.high) == ((10, 11, 9), 10, 9, 11)
    shares = []
    for seed in found.seeds:
        order = np.random.default_rng(seed).permutation(CASES).reshape(3, 4)
        shares += [1 - sum(int(case) in WRONG[seed] for case in part) / 4 for part in order]
    error = np.sqrt(np.var(shares, ddof=1) * (1 / 9 + 4 / 8))
    low, high = stats.t.interval(0.95, 8, loc=np.mean(shares), scale=error)
    assert found.result.interval == pytest.approx((low, min(high, 1)))
    assert found.baselines["majority"].right == (6, 6, 6)


def test_what_the_training_parts_decided_is_summed_up_over_the_seeds(tmp_path: Path) -> None:
    runner = Runner()

    def decide(protocol: Protocol, folder: Path) -> None:
        runner(protocol, folder)
        seed = protocol.splits.seed
        rows = read_predictions(folder / "predictions.csv", NAMES)
        cases = [
            Decided(case_id=row.case_id, probabilities=row.probabilities, answered=n > seed - 5, classes=(row.label,))
            for n, row in enumerate(rows)
        ]
        rule = Abstention(temperature=1.0, above=0.9)
        kept = Decisions(calibrated=False, risk=0.1, coverage=0.9, folds=[], together=rule, cases=cases)
        (folder / "decisions.json").write_text(kept.model_dump_json())

    found = repeat(asked(), tmp_path, 3, decide).decided
    assert found is not None
    assert (found.answered, found.held, found.single) == ((11, 10, 9), (12, 12, 12), (12, 12, 12))
    assert found.log_loss is None
    assert json.loads((tmp_path / "repeats.json").read_text())["decided"]["answered"] == [11, 10, 9]
    stream = io.StringIO()
    show(repeat(asked(), tmp_path, 3, decide), Console(file=stream, width=80))
    said = " ".join(stream.getvalue().split())
    assert "answered, of 12 10.0 9.0 to 11.0" in said
    assert "log loss" not in said


def test_repeats_that_decide_nothing_say_nothing_of_it(tmp_path: Path) -> None:
    found = repeat(asked(), tmp_path, 2, Runner())
    assert found.decided is None
    stream = io.StringIO()
    show(found, Console(file=stream, width=80))
    assert "Decided" not in stream.getvalue()


def test_cases_that_are_wrong_in_most_repeats_are_named(tmp_path: Path) -> None:
    found = repeat(asked(), tmp_path, 3, Runner())
    mistaken = [(each.case_id, each.label, each.wrong) for each in found.mistaken]
    assert mistaken == [("00", "healthy", 3), ("03", "ill", 2)]


def test_what_is_finished_is_not_run_again_and_more_repeats_join_it(tmp_path: Path) -> None:
    runner = Runner()
    repeat(asked(), tmp_path, 2, runner)
    for path in (tmp_path / "seed-6").rglob("*.*"):
        path.unlink()
    (tmp_path / "seed-6" / "baselines").rmdir()
    (tmp_path / "seed-6").rmdir()
    repeat(asked(), tmp_path, 3, runner)
    assert runner.seeds == [5, 6, 6, 7]
    assert json.loads((tmp_path / "repeats.json").read_text())["seeds"] == [5, 6, 7]


def test_repeats_of_other_photographs_are_not_summed_up(tmp_path: Path) -> None:
    runner = Runner()
    repeat(asked(), tmp_path, 2, runner)
    runner.photographs = "others"
    with pytest.raises(RunError, match="of other photographs"):
        repeat(asked(), tmp_path, 3, runner)


def test_a_repeat_without_its_report_is_not_finished(tmp_path: Path) -> None:
    repeat(asked(), tmp_path, 2, Runner())
    (tmp_path / "seed-6" / "report.html").unlink()
    again: list[str] = []
    repeat(asked(), tmp_path, 2, lambda _, folder: again.append(folder.name))
    assert again == ["seed-6"]


def test_another_protocol_is_not_mixed_in(tmp_path: Path) -> None:
    repeat(asked(), tmp_path, 2, Runner())
    with pytest.raises(RunError, match="holds a run of another protocol"):
        repeat(asked("probe"), tmp_path, 2, Runner())


def test_repeats_and_a_single_run_never_share_a_folder(tmp_path: Path) -> None:
    Runner()(asked(), tmp_path / "single")
    with pytest.raises(RunError, match="expected a folder for repeats, found that of a single run"):
        repeat(asked(), tmp_path / "single", 2, Runner())
    require_single(tmp_path / "single")
    require_single(tmp_path / "none")
    repeat(asked(), tmp_path / "many", 2, Runner())
    with pytest.raises(RunError, match="expected a folder for a single run, found one of repeats"):
        require_single(tmp_path / "many")


def test_a_folder_of_repeats_is_one_method_of_a_comparison(tmp_path: Path) -> None:
    for method in ("cvs", "probe"):
        repeat(asked(method), tmp_path / method, 3, Runner())
    (pair,) = compare([tmp_path / "cvs", tmp_path / "probe"])
    assert (pair.first, pair.second, pair.repeats, pair.difference) == ("cvs", "probe", 3, 0)


def test_unfinished_and_damaged_repeats_are_refused(tmp_path: Path) -> None:
    repeat(asked(), tmp_path, 2, Runner())
    (tmp_path / "repeats.json").write_text('{"seeds": ["../../x"]}')
    with pytest.raises(RunError, match="expected a list of seeds"):
        runs_in(tmp_path)
    (tmp_path / "repeats.json").unlink()
    with pytest.raises(RunError, match="expected finished repeats"):
        runs_in(tmp_path)
