import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvs_med.errors import RunError
from cvs_med.images import read_image
from cvs_med.prediction import ensemble, files, gate_file, stream
from cvs_med.prediction.ensemble import Ensemble
from cvs_med.prediction.gates import Gates
from cvs_med.prediction.stream import Summary
from cvs_med.types import OwnFile, Reading

CPU = torch.device("cpu")


class Counting:
    """A watcher that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def counted(self, done: int, total: int) -> None:
        """Keep it."""
        self.told.append((done, total))


def load(run: Path) -> tuple[Ensemble, Gates]:
    networks = ensemble.read(run, device=CPU)
    return networks, gate_file.of_run(run, networks, lambda done, total: None)


def answer(run: Path, given: Path, out: Path, watcher: Counting | None = None) -> Summary:
    networks, gates = load(run)
    return stream.predict(networks, gates, files.find([given], out), out, watcher=watcher or Counting())


def rows(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_bad_file_does_not_stop_the_rest(run: Path, photographs: Path, tmp_path: Path) -> None:
    watcher = Counting()
    found = answer(run, photographs, tmp_path / "out", watcher)
    assert (found.derived + found.flagged, found.failed) == (2, 1)
    assert watcher.told == [(1, 3), (2, 3), (3, 3)]
    failures = list(csv.reader((tmp_path / "out" / "failures.csv").read_text(encoding="utf-8").splitlines()))
    assert [row[0] for row in failures] == ["file", "broken.png"]
    assert "damaged or incomplete" in failures[1][1]


@pytest.mark.parametrize(("q", "trainable"), [("mean", "head"), ("probability", "head"), ("mean", "all")])
def test_what_is_written_agrees(
    q: str, trainable: str, finished: Callable[..., Path], photographs: Path, tmp_path: Path
) -> None:
    made, out = finished(f"q={q}", trainable=trainable), tmp_path / "out"
    run = Path(shutil.copytree(made, tmp_path / "run"))
    answer(run, photographs, out)
    table = list(csv.DictReader((out / "predictions.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["file"] for row in table] == [row["file"] for row in rows(out)]
    for row in rows(out):
        folder = out / "photographs" / str(row["file"])
        with np.load(folder / "evidence.npz", allow_pickle=False) as kept:
            shares, scores = kept["shares"], kept["scores"]
        np.testing.assert_allclose(shares.astype(np.float64).sum(axis=(1, 2)), scores, rtol=0, atol=1e-9)
        probabilities = np.array(list(row["probabilities"].values()))  # type: ignore[attr-defined]
        powers = scores if q == "probability" else np.exp(scores)
        np.testing.assert_allclose(probabilities, powers / powers.sum(), rtol=1e-9)
        with Image.open(folder / "label_map.png") as native:
            assert native.mode == "P"
            assert (native.height, native.width) == read_image(photographs / str(row["file"])).shape[:2]
            assert np.asarray(native).max() <= 3
        lowest, highest = (np.array(list(row[end].values())) for end in ("lowest", "highest"))  # type: ignore[attr-defined]
        assert (lowest <= highest).all()
        assert (row["derived"] is None) == (row["status"] == "flagged")
        with Image.open(folder / "overlay.png") as overlay:
            overlay.verify()


@pytest.mark.parametrize("method", ["classification", "multitask"])
def test_a_method_without_evidence_answers_with_what_it_has(
    method: str, finished: Callable[..., Path], photographs: Path, tmp_path: Path
) -> None:
    setting = (f"method={method}", "loss.class_weight=1")
    run = Path(shutil.copytree(finished(*setting), tmp_path / "run"))
    assert answer(run, photographs, tmp_path / "out").failed == 1
    folder = tmp_path / "out" / "photographs" / "more"
    written = {path.name for path in next(folder.iterdir()).iterdir()}
    assert written == {"overlay.png"} | ({"label_map.png"} if method == "multitask" else set())


def test_an_ensemble_of_one_network_five_times_is_that_network(run: Path, photographs: Path, tmp_path: Path) -> None:
    first = (run / "fold-0" / "model.safetensors").read_bytes()
    for number in (1, 2):
        (run / f"fold-{number}" / "model.safetensors").write_bytes(first)
    answer(run, photographs, tmp_path / "out")
    for row in rows(tmp_path / "out"):
        assert row["lowest"] == row["highest"] == pytest.approx(row["probabilities"], rel=1e-6)
        assert row["agreeing"] == row["models"] == 3


def test_a_killed_run_goes_on_and_ends_with_the_same_tables(run: Path, photographs: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    answer(run, photographs, whole)
    shutil.copytree(whole, cut)
    lines = (cut / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    (cut / "predictions.jsonl").write_bytes(lines[0] + lines[1][:20])
    (cut / "predictions.csv").write_text("half a")
    shutil.rmtree(cut / "photographs" / json.loads(lines[0])["file"])
    watcher = Counting()
    summary = answer(run, photographs, cut, watcher)
    assert summary == answer(run, photographs, whole)
    assert watcher.told[-1] == (3, 3)
    for name in ("predictions.jsonl", "predictions.csv", "failures.csv"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert not (cut / "photographs" / json.loads(lines[0])["file"]).exists()


def test_answers_of_two_runs_are_never_mixed(
    run: Path, finished: Callable[..., Path], photographs: Path, tmp_path: Path
) -> None:
    answer(run, photographs, tmp_path / "out")
    other = Path(shutil.copytree(finished("q=probability"), tmp_path / "other"))
    with pytest.raises(RunError, match=r"prediction\.json"):
        answer(other, photographs, tmp_path / "out")


@pytest.mark.parametrize(("above", "flagged"), [(0.0, 0), (None, 2)])
def test_an_answer_below_the_runs_thresholds_is_not_given(
    run: Path, photographs: Path, tmp_path: Path, above: float | None, flagged: int
) -> None:
    # Gates that stop nothing, so that only the rule can.
    networks, gates = load(run)
    open_gates = replace(gates, low=gates.low - np.inf, high=gates.high + np.inf, limit=gates.limit + np.inf)
    folds = [{"fold": fold, "cases": 6, "above": above, "none_answered": above is None} for fold in range(3)]
    together = {"temperature": 1.0, "above": 1.0 if above is None else above}
    rules = {"calibrated": False, "risk": 0.05, "coverage": None, "folds": folds, "together": together, "cases": []}
    (run / "decisions.json").write_text(json.dumps(rules))
    ruled, out = ensemble.read(run, device=CPU), tmp_path / "out"
    found = files.find([photographs], out)
    summary = stream.predict(ruled, open_gates, found, out, watcher=Counting())
    assert (summary.derived, summary.flagged, summary.failed) == (2 - flagged, flagged, 1)
    assert "broken" in summary.first_failure
    for row in rows(out):
        assert (row["derived"] is None) == bool(flagged)
        assert any("too unsure to be answered" in str(flag) for flag in row["flags"]) == bool(flagged)  # type: ignore[attr-defined]
    # The folder was begun by this rule, and is not gone on with by none.
    with pytest.raises(RunError):
        stream.predict(networks, open_gates, found, out, watcher=Counting())


def test_a_picture_of_another_kind_is_flagged_and_gets_no_diagnosis(run: Path, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "odd" / "black.png")
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "odd" / "noise.png")
    assert answer(run, tmp_path / "odd", tmp_path / "out") == Summary(derived=0, flagged=2, failed=0)
    assert all(row["derived"] is None and row["flags"] for row in rows(tmp_path / "out"))


def test_another_file_of_a_name_is_not_taken_for_the_one_that_was_answered(
    run: Path, photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    answer(run, photographs, out)
    first = next(photographs.glob("a, *"))
    first.write_bytes(next((photographs / "more").iterdir()).read_bytes())
    with pytest.raises(RunError, match="another file of this name"):
        answer(run, photographs, out)


def test_a_name_with_a_line_break_is_answered_for(run: Path, photographs: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    first = next(photographs.glob("a, *"))
    shutil.copy(first, odd / f"two\nlines{first.suffix}")
    found = answer(run, odd, tmp_path / "out")
    assert (found.derived + found.flagged, found.failed) == (1, 0)


def test_no_name_of_a_file_is_a_formula_in_the_table(run: Path, photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    shutil.copy(next(photographs.glob("a, *")), tmp_path / "odd" / "=1+2.png")
    (tmp_path / "odd" / "@broken.png").write_bytes(b"no picture")
    answer(run, tmp_path / "odd", tmp_path / "out")
    for name, shown in (("predictions.csv", "'=1+2.png"), ("failures.csv", "'@broken.png")):
        _, row = csv.reader((tmp_path / "out" / name).read_text().splitlines())
        assert row[0] == shown
    assert [row["file"] for row in rows(tmp_path / "out")] == ["=1+2.png"]


def test_a_failure_does_not_tell_the_folders_above(run: Path, photographs: Path, tmp_path: Path) -> None:
    answer(run, photographs, tmp_path / "out")
    assert str(tmp_path) not in (tmp_path / "out" / "failures.csv").read_text(encoding="utf-8")


def test_photographs_are_read_as_those_of_training(run: Path, tmp_path: Path) -> None:
    """A window that the data set named is that of new photographs too, and so is what its surroundings are."""
    values = np.linspace(0, 60_000, 40 * 60).reshape(40, 60).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    networks, _ = load(run)
    card = networks.card.model_copy(update={"reading": Reading(window=(10_000, 2_000)), "surroundings": False})
    narrow = stream.prepare(tmp_path / "deep.png", replace(networks, card=card).recipe)
    expected = read_image(OwnFile(tmp_path / "deep.png", Reading(window=(10_000, 2_000))))
    assert narrow.geometry.crop_width == 60
    assert set(np.unique(narrow.image)) >= {0, 255}
    # A narrow window makes most of the ramp black or white, which percentiles do not.
    assert np.isin(expected, (0, 255)).mean() > 0.9
    assert np.isin(narrow.image[:, narrow.inside], (0, 255)).mean() > 0.8
