import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cvs_med.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SMALL = [
    "--backbone", "resnet18", "--weights", "none", "--image-size", "64", "--epochs", "1", "--folds", "2",
    "--set", "fine.steps=1",
]  # fmt: skip


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


STAND_IN = """#!/bin/bash
echo "${0##*/} $*" >> said
case ${0##*/} in
    hostname) echo "10.0.0.1 192.168.0.1 " ;;
    openssl) echo secret ;;
    srun) [ "$RAY_AUTH_TOKEN" = secret ] && sleep 60 ;;
    ray) grep -q -e --head said ;;
    cvs-med)
        until grep -q -e --exclude said; do sleep 0.05; done
        [ -e quick ] && exit 3 || exec sleep 60 ;;
esac
"""


def _catches(process: int, sent: signal.Signals) -> bool:
    """Whether the process has set its trap, which the script does after it started the command."""
    (caught,) = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{process}/status").read_text(), flags=re.M)
    return bool(int(caught, 16) >> (sent - 1) & 1)


@pytest.fixture
def slurm_script(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The script for Slurm, started with a stand-in for every program that it calls.

    Only Linux has Slurm, and the process table that tells of traps.
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    (script,) = re.findall(r"```sh\n(#!/bin/bash\n.*?)```", (ROOT / "docs" / "scaling.md").read_text(), flags=re.S)
    (tmp_path / "bin").mkdir()
    (tmp_path / "script").write_text(script)
    for name in ("srun", "scontrol", "ray", "cvs-med", "hostname", "openssl"):
        (tmp_path / "bin" / name).write_text(STAND_IN)
        (tmp_path / "bin" / name).chmod(0o755)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "script"], cwd=tmp_path, check=True)
    told = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "4", "SLURM_CPUS_PER_TASK": "16", "SLURMD_NODENAME": "n1"}
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, **told, "PATH": path, "SCRATCH": "/scratch"}
    with subprocess.Popen(["bash", "script"], cwd=tmp_path, env=environment, start_new_session=True) as process:
        yield process
        os.killpg(process.pid, signal.SIGKILL)


def test_the_script_for_slurm_starts_a_head_its_workers_and_the_command(
    slurm_script: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    (tmp_path / "quick").touch()
    assert slurm_script.wait(30) == 3, "not the command's own"
    said = (tmp_path / "said").read_text()
    ends = "--num-cpus=16 --block\n"
    head = "--nodelist=n1 ray start --head --node-ip-address=10.0.0.1 --port=6379 --include-dashboard=false"
    assert f"srun --nodes=1 --ntasks=1 --cpus-per-task=16 {head} {ends}" in said
    workers = "--exclude=n1 ray start --address=10.0.0.1:6379"
    assert f"srun --nodes=3 --ntasks=3 --cpus-per-task=16 {workers} {ends}" in said
    assert re.search(r"^cvs-med sweep .* --ray 10\.0\.0\.1:6379$", said, flags=re.M)
    assert "requeue" not in said


def test_the_script_for_slurm_is_submitted_again_before_its_time_is_over(
    slurm_script: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    until = time.monotonic() + 30
    while not _catches(slurm_script.pid, signal.SIGUSR1):
        assert time.monotonic() < until
        time.sleep(0.05)
    slurm_script.send_signal(signal.SIGUSR1)
    slurm_script.wait(30)
    assert (tmp_path / "said").read_text().endswith("scontrol requeue 7\n")
