"""`--ray` from the command line to the files: the same as without."""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvs_med.cli import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: extra `ray`"),
    # Ray leaves the sockets and processes of its services to the end of the process.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

FROZEN = ("network.trainable=head", "augmentation.colour=0")
CHEAP = ("network.backbone=wideresnet-10-1", "training.steps=2", "training.batch_size=16", "training.precision=fp32")

OF_TIME = {".lock", "environment.json", "history.csv"}
"""Files that tell of time and process."""

SHOWN = {"report.html", "report.md", "report.pdf"}
"""Pages that show what files tell, and when."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of one machine with two processors."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield made.address
    made.shutdown()


def settings(given: Sequence[str]) -> list[str]:
    return [part for setting in given for part in ("--set", setting)]


def contents(out: Path) -> dict[str, bytes]:
    """Read all files that are of the results alone."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in OF_TIME | SHOWN]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def require_same(command: Sequence[str], address: str, folder: Path, predictions: int) -> None:
    """Run a command with Ray and without, and compare what is in their folders."""
    for name, more in (("ray", ["--ray", address]), ("plain", [])):
        result = CliRunner().invoke(main, [*command, "--device", "cpu", "--out", str(folder / name), *more])
        assert result.exit_code == 0, result.output
    found, expected = contents(folder / "ray"), contents(folder / "plain")
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    assert sum(name.endswith("predictions.csv") for name in found) == predictions


def test_repeats_of_a_cross_validation(
    address: str, phantom_folder: Path, small: tuple[str, ...], tmp_path: Path
) -> None:
    asked = ["cv", "--dataset", "phantom", "--data-dir", str(phantom_folder), *settings([*small, *FROZEN])]
    # Of three folds and of the whole run, twice.
    require_same([*asked, "--repeats", "2"], address, tmp_path, 8)


def test_a_choice_inside_each_fold(
    address: str, phantom_folder: Path, small: tuple[str, ...], tmp_path: Path
) -> None:
    files = [tmp_path / f"{name}.yaml" for name in ("probe", "cvs")]
    for file in files:
        file.write_text(f"dataset: phantom\nmethod: {file.stem}\n")
    asked = ["cv", "--dataset", "phantom", "--data-dir", str(phantom_folder), *settings([*small, *FROZEN])]
    require_same([*asked, "--select", ",".join(map(str, files))], address, tmp_path, 4)


def test_a_sweep(address: str, mnist: Path, tmp_path: Path) -> None:
    asked = ["sweep", "paper/mnist-wideresnet", "--data-dir", str(mnist), *settings(CHEAP), "--seeds", "2"]
    require_same([*asked, "--methods", "cvs,classification", "--samples-per-class", "1,2"], address, tmp_path, 8)
