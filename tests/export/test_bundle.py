"""A bundle stands MONAI's own checks, runs by its command, and names no one."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from cvs_med.cli import main
from cvs_med.decisions import Abstention, Decided, Decision, Decisions
from cvs_med.evaluation import DatasetCard, read_json
from cvs_med.export import bundle
from cvs_med.prediction import ensemble
from cvs_med.tables import read_predictions

ROOT = Path(bundle.__file__).parents[2]


@pytest.fixture(scope="module")
def run(cross_validate: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "run"
    cross_validate(out, "training.epochs=1", "splits.folds=2", "network.trainable=head", "augmentation.colour=0")
    return out


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "bundle"
    result = CliRunner().invoke(main, ["export", str(run), "--format", "monai-bundle", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


def monai(command: str, folder: Path, **options: str) -> None:
    """Run a command of MONAI's in a process of its own."""
    given = [text for name, value in options.items() for text in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, "-m", "monai.bundle", command, *given],
        cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_metadata_has_what_monai_s_schema_requires(made: Path, tmp_path: Path) -> None:
    """The fields that MONAI's documentation of the format requires; its schema is a download, so a copy of them."""
    image = {
        "type": "object",
        "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range", "is_patch_data"],
        "properties": {"num_channels": {"type": "integer"}, "spatial_shape": {"type": "array"},
                       "channel_def": {"type": "object"}, "is_patch_data": {"type": "boolean"}},
    }  # fmt: skip
    formats = {
        "type": "object",
        "required": ["inputs", "outputs"],
        "properties": {name: {"type": "object", "additionalProperties": image} for name in ("inputs", "outputs")},
    }
    words = ("version", "monai_version", "pytorch_version", "numpy_version", "task", "description", "authors",
             "copyright")  # fmt: skip
    schema = {
        "type": "object",
        "required": [*words, "changelog", "required_packages_version", "network_data_format"],
        "properties": {name: {"type": "string"} for name in words} | {"network_data_format": formats},
    }
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    meta = made / "configs" / "metadata.json"
    # A file that is there is not downloaded.
    monai("verify_metadata", made, meta_file=str(meta), filepath=str(tmp_path / "schema.json"))


def test_its_network_takes_and_gives_what_the_metadata_says(made: Path) -> None:
    files = {"meta_file": "configs/metadata.json", "config_file": "configs/inference.json"}
    monai("verify_net_in_out", made, net_id="network_def", device="cpu", **files)


def test_its_workflow_answers_for_a_folder(made: Path, run: Path, phantom_folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(next((phantom_folder / "images").iterdir()), images)
    asked = {"config_file": "configs/inference.json", "images": str(images), "output_dir": str(tmp_path / "bundle")}
    monai("run", made, **asked)
    plain = ["predict", "--run", str(run), "--precision", "fp32", "--out", str(tmp_path / "plain"), str(images)]
    assert CliRunner().invoke(main, plain).exit_code == 0
    (found,), (expected,) = (
        list(csv.DictReader((tmp_path / name / "predictions.csv").read_text(encoding="utf-8").splitlines()))
        for name in ("bundle", "plain")
    )
    numbers, texts = (
        [{name: convert(row[name]) for name in row if is_number(row[name]) is numeric} for row in (found, expected)]
        for numeric, convert in ((True, float), (False, str))
    )
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-6)  # `predict` fuses norms, the bundle does not.
    assert texts[0] == texts[1]


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_the_network_gives_the_ensemble_s_map(made: Path, run: Path) -> None:
    image = torch.rand(2, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    image[:, 3] = 1
    with torch.inference_mode():
        found = bundle.network(str(made))(image)
        expected = bundle.Mapped(ensemble.read(run, device=torch.device("cpu"), precision="fp32")).eval()(image)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(dim=1), 1, atol=1e-5)


FINE = (
    "network.trainable=head", "network.decoder=fine", "network.context=[3]", "augmentation.colour=0",
    "fine.widths=[8,8]", "fine.tile=32", "fine.steps=2", "images.fibres=true",
)  # fmt: skip


@pytest.mark.parametrize("settings", [(), FINE])
def test_what_else_is_looked_at_are_planes_of_their_own(
    settings: tuple[str, ...], cross_validate: Callable[..., object], tmp_path: Path
) -> None:
    cross_validate(tmp_path / "run", "training.epochs=1", "splits.folds=2", "images.finer=2", *settings)
    asked = ["export", str(tmp_path / "run"), "--format", "monai-bundle", "--out", str(tmp_path / "made")]
    assert CliRunner().invoke(main, asked).exit_code == 0
    metadata = json.loads((tmp_path / "made" / "configs" / "metadata.json").read_text())
    image = metadata["network_data_format"]["inputs"]["image"]
    more = ["fibres", *(f"finer square, part {number}" for number in range(1, 5))] if settings else []
    assert list(image["channel_def"].values()) == ["red", "green", "blue", "spots", *more, "field of view"]
    planes = torch.rand(2, image["num_channels"], 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = bundle.network(str(tmp_path / "made"))(planes)
    np.testing.assert_allclose(found.sum(dim=1), 1, atol=1e-5)


def texts(content: object) -> Iterator[str]:
    if isinstance(content, dict):
        content = [*content.keys(), *content.values()]
    if isinstance(content, list):
        for part in content:
            yield from texts(part)
    elif isinstance(content, str):
        yield content


def test_it_holds_no_expression_and_no_pickle(made: Path) -> None:
    for file in (made / "configs").iterdir():
        assert not any("$" in text for text in texts(json.loads(file.read_bytes())))
    assert {file.suffix for file in made.rglob("*") if file.is_file()} == {".json", ".yaml", ".md", ".safetensors"}


def test_it_names_no_case_and_no_folder(made: Path, run: Path) -> None:
    cases = [case for fold in json.loads((run / "folds.json").read_bytes())["folds"] for case in fold]
    assert cases
    for file in (file for file in made.rglob("*") if file.is_file()):
        content = file.read_bytes()
        assert not any(word.encode() in content for word in (*cases, str(run), str(made)))


@pytest.fixture(scope="module")
def decided(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run with thresholds, as if photographs of somebody's folder had been learnt from too."""
    other = Path(shutil.copytree(run, tmp_path_factory.mktemp("decided") / "run"))
    rows = read_predictions(other / "predictions.csv", read_json(other / "dataset.json", DatasetCard).class_names)
    cases = [Decided(case_id=row.case_id, probabilities=row.probabilities, answered=False) for row in rows]
    folds = [Decision(fold=0, cases=6, above=0.2), Decision(fold=1, cases=6, above=0.9999)]
    both = Abstention(temperature=1.0, above=0.59995)
    kept = Decisions(calibrated=False, risk=0.05, coverage=None, folds=folds, together=both, cases=cases)
    (other / "decisions.json").write_text(kept.model_dump_json())
    protocol = other / "protocol.yaml"
    text = protocol.read_text()
    assert "also_train: []\n" in text
    protocol.write_text(text.replace("also_train: []\n", "also_train:\n- Miller_John_1950/fundus\n"))
    return other


def exported(run: Path, out: Path, *options: str) -> Path:
    result = CliRunner().invoke(main, ["export", str(run), "--format", "monai-bundle", "--out", str(out), *options])
    assert result.exit_code == 0, result.output
    return out


def test_it_abstains_as_the_run_does_and_names_no_one(
    decided: Path, run: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    made = exported(decided, tmp_path / "made")
    bundle.answer(str(made), str(phantom_folder / "images"), str(tmp_path / "answers"))
    asked = ["predict", "--run", str(decided), "--out", str(tmp_path / "own"), str(phantom_folder / "images")]
    assert CliRunner().invoke(main, asked).exit_code == 0
    theirs, ours = ((tmp_path / name / "predictions.csv").read_text().splitlines()[1:] for name in ("answers", "own"))
    assert all("too unsure" in row for row in theirs)
    assert ["too unsure" in row for row in theirs] == ["too unsure" in row for row in ours]
    names = [case for fold in json.loads((run / "folds.json").read_bytes())["folds"] for case in fold]
    content = b"".join(file.read_bytes() for file in made.rglob("*") if file.is_file())
    assert not any(word.encode() in content for word in ("Miller", *names))


def test_one_fold_abstains_by_its_own_threshold(decided: Path, tmp_path: Path) -> None:
    made = exported(decided, tmp_path / "made", "--fold", "0")
    rule = ensemble.read(made / "models", device=torch.device("cpu")).abstention
    assert rule is not None
    assert rule.above == 0.2
