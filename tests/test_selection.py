"""Nested cross-validation: the choice is the best inside, is kept, and has not seen the test part."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from cvs_med import inner, selection
from cvs_med.augmentation import flips
from cvs_med.cli import main
from cvs_med.decisions import Decisions, decide
from cvs_med.errors import DataError, ProtocolError
from cvs_med.evaluation import evaluate_run
from cvs_med.features import extract
from cvs_med.folds import run_fold
from cvs_med.protocol import Protocol, load
from cvs_med.protocol_sections import Inner, Splits
from cvs_med.selection import Choice, choose
from cvs_med.setup import Machine, Setup, kept_levels, prepare
from cvs_med.splits import inner_folds
from cvs_med.tables import read_predictions
from cvs_med.types import Case, Prediction

FROZEN = ("network.trainable=head", "augmentation.colour=0", "training.epochs=1", "splits.kind=random")


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Three protocols: a frozen CvS, and two probes of which one may hardly learn."""
    dull = "method: probe\nprobe: {inverse_penalty: 1.0e-9}"
    changes = {"map": "method: cvs", "probe": "method: probe", "dull": dull}
    for name, text in changes.items():
        (tmp_path / f"{name}.yaml").write_text(f"dataset: phantom\n{text}\n")
    return [str(tmp_path / f"{name}.yaml") for name in changes]


@pytest.fixture
def protocols(files: list[str], small: tuple[str, ...]) -> dict[str, Protocol]:
    return selection.candidates(files, [*small, *FROZEN])


def _prepare(protocol: Protocol, phantoms: Path, cache: Path, observer: object) -> Setup:
    return prepare(
        protocol, data_dir=phantoms, machine=Machine(cache, "cpu", 1), observer=observer  # type: ignore[arg-type]  # the observer of conftest.py
    )  # fmt: skip


class Deaf:
    """An observer that hears nothing."""

    def stage(self, text: str) -> None: ...

    def counted(self, done: int, total: int) -> None: ...

    def epoch(self, fold: int, epoch: object) -> None: ...


def _spoilt(setup: Setup, test: list[int], cache: Path) -> Setup:
    """Change labels, photographs and masks of some cases, and what the encoder says of them."""
    photographs = setup.photographs
    images, foreground = photographs.images.clone(), photographs.foreground.clone()
    images[test], foreground[test] = 255 - images[test], 255 - foreground[test]
    changed = replace(photographs, images=images, foreground=foreground, key=f"{photographs.key} spoilt")
    cases = [replace(c, label=(c.label + 1) % 3) if n in test else c for n, c in enumerate(setup.cases)]
    features = extract(
        setup.network, changed, views=flips(setup.protocol.augmentation),
        levels=kept_levels(setup.protocol, setup.network), identity=setup.encoder, precision=setup.precision,
        folder=cache, step=lambda done, total: None,
    )  # fmt: skip
    return replace(setup, photographs=changed, cases=cases, features=features)


def _run(setups: dict[str, Setup], out: Path, train: list[int], test: list[int]) -> tuple[Choice, bytes]:
    choice = choose(setups, out / "inner", 0, train)
    (out / "maps").mkdir()
    run_fold(setups["map"], out, 0, train, test)
    return choice, (out / "model.safetensors").read_bytes()


def test_nothing_of_the_test_part_changes_the_choice_or_the_model(
    tmp_path: Path, protocols: dict[str, Protocol], phantom_folder: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    setups = {name: _prepare(each, phantom_folder, cache, Deaf()) for name, each in protocols.items()}
    test, train = [0, 4, 8], [1, 2, 3, 5, 6, 7]
    plain = _run(setups, tmp_path / "plain", train, test)
    spoilt = {name: _spoilt(setup, test, cache) for name, setup in setups.items()}
    assert not torch.equal(spoilt["probe"].features.means[3], setups["probe"].features.means[3])
    assert _run(spoilt, tmp_path / "spoilt", train, test) == plain
    # The same change in the training part does change it.
    other = {name: _spoilt(setup, [1, 2], cache) for name, setup in setups.items()}
    assert _run(other, tmp_path / "other", train, test) != plain


def test_the_best_inside_is_chosen_then_the_lower_loss_then_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, protocols: dict[str, Protocol], phantom_folder: Path
) -> None:
    setup = _prepare(protocols["probe"], phantom_folder, tmp_path, Deaf())
    given = {
        "bold": [(0.9, 0.1), (0.9, 0.1)], "sure": [(0.8, 0.2), (0.1, 0.9)], "same": [(0.8, 0.2), (0.1, 0.9)],
        "unsure": [(0.6, 0.4), (0.4, 0.6)],
    }  # fmt: skip
    answers = {name: [Prediction(str(n), "", 0, n, p) for n, p in enumerate(rows)] for name, rows in given.items()}
    monkeypatch.setattr(selection, "inner_answers", lambda setup, folder, fold, train: answers[folder.name])
    for order, best in ((("bold", "unsure", "sure", "same"), "sure"), (("same", "sure"), "same")):
        found = choose({name: setup for name in order}, tmp_path, 0, [0, 1])
        assert found.chosen == best
        assert [candidate.name for candidate in found.candidates] == list(order)


def test_the_command_keeps_every_choice_and_goes_on_where_it_stopped(
    tmp_path: Path, files: list[str], phantom_folder: Path, small: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    command = ["cv", "--dataset", "phantom", "--data-dir", str(phantom_folder), "--device", "cpu", "--out", str(out)]
    command += ["--select", ",".join(files), *(part for s in (*small, *FROZEN) for part in ("--set", s))]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "Chosen inside the training part, of 3 folds: map in" in " ".join(result.stdout.split())
    kept = json.loads((out / "selection.json").read_text())
    assert sum(kept["chosen"].values()) == 3
    for choice in kept["folds"]:
        assert [candidate["name"] for candidate in choice["candidates"]] == ["map", "probe", "dull"]
        assert all(candidate["n"] == 6 for candidate in choice["candidates"])
        best = max(choice["candidates"], key=lambda candidate: (candidate["right"], -candidate["log_loss"]))
        assert best["name"] == choice["chosen"]
    assert evaluate_run(out).method == "selected"
    assert load(str(out / "candidates" / "dull" / "protocol.yaml")).probe.inverse_penalty == 1e-9

    before = (out / "predictions.csv").read_bytes()
    (out / "predictions.csv").unlink()
    (out / "fold-2" / "predictions.csv").unlink()
    last = sorted((out / "fold-2" / "inner" / "map").glob("answers-*.csv"))[-1]
    last.unlink()
    others = {path: path.stat().st_mtime_ns for path in out.rglob("answers-*.csv")}
    assert CliRunner().invoke(main, command).exit_code == 0
    assert (out / "predictions.csv").read_bytes() == before
    assert last.exists()
    assert others == {path: path.stat().st_mtime_ns for path in others}


def test_what_was_chosen_decides_by_the_inner_answers_that_chose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], phantom_folder: Path, small: tuple[str, ...]
) -> None:
    out, trained = tmp_path / "run", []
    answer = inner._answer

    def counting(setup: Setup, folder: Path, *rest: object) -> object:
        trained.append(folder)
        return answer(setup, folder, *rest)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(inner, "_answer", counting)
    command = ["cv", "--dataset", "phantom", "--data-dir", str(phantom_folder), "--device", "cpu", "--out", str(out)]
    command += ["--select", ",".join(files[1:]), *(part for s in (*small, *FROZEN) for part in ("--set", s))]
    result = CliRunner().invoke(main, [*command, "--calibrate", "--abstain-at-risk", "0.3", "--coverage", "0.8"])
    assert result.exit_code == 0, result.output
    # Three folds of three inner folds, of two candidates: each once.
    assert len(trained) == len(set(trained)) == 18
    asked = Inner(calibrate=True, abstain_at_risk=0.3, coverage=0.8)
    names = ("healthy", "diabetic retinopathy", "glaucoma")
    kept = Decisions.model_validate_json((out / "decisions.json").read_text())
    for fold, choice in zip(kept.folds, json.loads((out / "selection.json").read_text())["folds"], strict=True):
        folder = out / f"fold-{fold.fold}" / "inner" / choice["chosen"]
        answers = [row for path in sorted(folder.glob("answers-*.csv")) for row in read_predictions(path, names)]
        assert fold == decide(fold.fold, answers, asked)


def test_every_case_of_a_training_part_is_answered_once_and_no_other(
    tmp_path: Path, files: list[str], cross_validate: Callable[..., object]
) -> None:
    cross_validate(tmp_path / "run", "method=probe", *FROZEN)
    folds = json.loads((tmp_path / "run" / "folds.json").read_text())["folds"]
    rows = read_predictions(tmp_path / "run" / "predictions.csv", ("healthy", "diabetic retinopathy", "glaucoma"))
    cases = [Case(row.case_id, Path("x"), row.label) for row in rows if row.case_id not in folds[0]]
    parts = inner_folds(cases, Splits(folds=3), 0)
    assert sorted(case for part in parts for case in part) == sorted(case.id for case in cases)


@pytest.mark.parametrize(("kind", "expected"), [("random", 5), ("stratified", 3), ("grouped", 3)])
def test_inner_folds_are_fewer_where_a_class_is_small(kind: str, expected: int) -> None:
    cases = [Case(f"{n}", Path("x"), int(n < 3), group=f"g{n // 2}") for n in range(13)]
    parts = inner_folds(cases, Splits(kind=kind, folds=5), 1)  # type: ignore[arg-type]  # one of the kinds
    assert len(parts) == expected
    if kind == "grouped":
        of_fold = {case: number for number, part in enumerate(parts) for case in part}
        assert all(of_fold[f"{n}"] == of_fold[f"{n + 1}"] for n in range(0, 12, 2))
    assert parts != inner_folds(cases, Splits(kind=kind, folds=5), 2)  # type: ignore[arg-type]  # as above


def test_a_training_part_that_cannot_be_dealt_is_refused() -> None:
    cases = [Case(f"{n}", Path("x"), int(n == 0)) for n in range(6)]
    with pytest.raises(DataError, match=r"training part of fold 1: expected at least 2 cases of each class"):
        inner_folds(cases, Splits(kind="stratified", folds=3), 0)


def test_protocols_that_cannot_be_chosen_from_are_refused(tmp_path: Path, files: list[str]) -> None:
    with pytest.raises(ProtocolError, match="two or more protocols of different names"):
        selection.candidates(files[:1])
    with pytest.raises(ProtocolError, match="two or more protocols of different names"):
        selection.candidates([files[0], files[0]])
    (tmp_path / "other.yaml").write_text("dataset: phantom\nsplits: {seed: 3}\n")
    with pytest.raises(ProtocolError, match="same `splits` in all protocols, found another in other than in map"):
        selection.candidates([files[0], str(tmp_path / "other.yaml")])
    result = CliRunner().invoke(
        main, ["cv", "--dataset", "phantom", "--device", "cpu", "--protocol", "hrf", "--select", ",".join(files)]
    )
    assert result.exit_code == 2
    assert "Expected --select or --protocol, found both" in result.stderr


def test_the_protocol_of_a_finished_choice_is_not_run_without_its_candidates(
    tmp_path: Path, cross_validate: Callable[..., object]
) -> None:
    with pytest.raises(ProtocolError, match="protocols to choose from"):
        cross_validate(tmp_path / "run", "inner.select={one: checksum}")


def test_a_change_of_a_candidate_is_another_run_and_a_change_of_the_seed_is_not(
    protocols: dict[str, Protocol],
) -> None:
    digests = selection.selecting(protocols).inner.select
    for seed, expected in ((7, True), (None, False)):
        changed = dict(protocols)
        update = {"splits": Splits(seed=seed)} if seed else {"q": "probability"}
        changed["map"] = changed["map"].model_copy(update=update)
        assert (selection.selecting(changed).inner.select == digests) == expected
    assert np.all([len(digest) == 64 for digest in digests.values()])
