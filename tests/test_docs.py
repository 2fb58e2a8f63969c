import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cvs_med.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SMALL = ["--backbone", "resnet18", "--weights", "none", "--image-size", "64", "--epochs", "1", "--folds", "2"]


def command_lines() -> list[str]:
    """Every command of the pages and of the protocols' first lines, without `cvs-med`."""
    blocks = [block for page in PAGES for block in re.findall(r"```bash\n(.*?)```", page.read_text(), flags=re.S)]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines += [path.read_text().splitlines()[0].removeprefix("# ") for path in (ROOT / "protocols").rglob("*.yaml")]
    commands = {re.sub(r"\s+(#.*|\(.*)$", "", line) for line in lines if re.match(r"^(\.venv/bin/)?cvs-med ", line)}
    return sorted(command.split("cvs-med ", 1)[1] for command in commands)


def test_there_are_commands_to_test() -> None:
    assert any(line.startswith("cv --dataset hrf") for line in command_lines())


# The 1,797 digits take long; tests/test_protocols.py runs their protocol on a few, and the sweeps of the paper. The app
# serves until it is stopped, and reviews need a finished run; tests/apps and tests/review run their commands on one.
# tests/test_pooling.py pools data sets of the same classes.
ELSEWHERE = ("digits", "sweep", "propagate", "app --run", "review ", "--also-train")


@pytest.mark.parametrize("line", [line for line in command_lines() if not any(word in line for word in ELSEWHERE)])
def test_a_command_line_of_the_docs_runs(
    line: str,
    make_fundus: Callable[..., Path],
    make_cifar10: Callable[..., Path],
    make_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = make_folder("my-images")
    data = str(make_cifar10("packed") if "cifar10" in line else own if "folder" in line else make_fundus("photographs"))
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)
    small = {
        "cv": [*SMALL, "--data-dir", data, "--out", "run"],
        "data check": ["--data-dir", data, "--folds", "2"],
        "data fetch": ["--from", data, "--out", "fetched"],
        "data masks": ["--data-dir", data, "--per-class", "1"],
        "audit": ["--data-dir", data],
        "bench train": ["--data-dir", data, "--rounds", "1"],
    }
    options = next((options for command, options in small.items() if line.startswith(command)), [])
    result = CliRunner().invoke(main, [*words, *options])
    expected = 2 if words[:2] == ["data", "fetch"] else 0  # checksums tell the tiny folders from the authors' files
    assert result.exit_code == expected, result.output


def test_the_commands_of_your_data_that_take_a_run_do_so(
    make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in blocks of text, whose runs stand in capitals; `app` serves, and tests/apps runs it."""
    page = (ROOT / "docs" / "your-data.md").read_text()
    blocks = re.findall(r"```text\n(.*?)```", page, flags=re.S)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("cvs-med ")]
    assert {line.split()[1] for line in lines} == {"compare", "propagate", "predict", "train", "export", "app"}
    monkeypatch.chdir(tmp_path)
    make_folder("my-images", counts={"benign": 6, "malignant": 6})
    shutil.copytree("my-images/images", "new-images")
    for out, more in (("all", []), ("few", ["--masked-per-class", "1"])):
        words = ["cv", "--dataset", "folder", "--data-dir", "my-images", *SMALL, *more, "--out", out]
        assert CliRunner().invoke(main, words).exit_code == 0
    runs = {"RUN": "all", "RUN-WITH-ALL-MASKS": "all", "RUN-WITH-FIVE": "few"}
    cheap = ["--device", "cpu", "--set", "network.backbone=resnet18", "--set", "network.weights=none"]
    cheap += ["--set", "images.size=64", "--set", "training.steps=1"]
    for line in lines:
        words = [runs.get(word, word) for word in shlex.split(line)[1:]]
        if words[0] != "app":
            result = CliRunner().invoke(main, [*words, *(cheap if words[0] == "propagate" else [])])
            assert result.exit_code == 0, (line, result.output)
    wanted = ("seg-5/folder-examples.png", "answers/predictions.csv", "model/MODEL_CARD.md", "exported/model.onnx")
    assert [name for name in wanted if not (tmp_path / name).exists()] == []


def test_the_commands_for_propagated_masks_give_their_row(
    make_cifar10: Callable[..., Path],
    make_record: Callable[[int, bytes], bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_cifar10("cifar-10-batches-bin", counts={"data_batch_1.bin": 100, "test_batch.bin": 10})
    (tmp_path / "cifar-100-binary").mkdir()
    (tmp_path / "cifar-100-binary" / "train.bin").write_bytes(make_record(0, bytes([0, 0])))
    (tmp_path / "masks").mkdir()
    for number in range(100):
        Image.fromarray(np.eye(32, dtype=np.uint8) * 255).save(tmp_path / "masks" / f"data_batch_1-{number:05d}.png")
    lines = [line for line in command_lines() if "seg-10" in line]
    (whole, onto), (sweep,) = ([line for line in lines if line.startswith(word)] for word in ("propagate", "sweep"))
    cheap = ["--device", "cpu", "--set", "network.backbone=wideresnet-10-1", "--set", "training.steps=1"]
    small = {sweep: ["--samples-per-class", "1", "--seeds", "1"]}
    for line in (whole, onto, sweep):
        result = CliRunner().invoke(main, [*shlex.split(line), *cheap, *small.get(line, [])])
        assert result.exit_code == 0, result.output
    assert "| cvs(seg-10) |" in (tmp_path / "sweep-seg-10" / "table.md").read_text()
    assert [path.name for path in (tmp_path / "seg-10" / "cifar100").glob("*.png")] == ["train-00000.png"]
