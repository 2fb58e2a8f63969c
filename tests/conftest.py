"""What all tests share: tiny data sets in the test's own folder, and finished runs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from layouts import draw_record, idx, write_cifar10, write_dicom, write_folder, write_fundus, write_mnist

# The same examples on every run; a slow machine is no fault.
settings.register_profile("cvs-med", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("cvs-med")


@pytest.fixture(scope="session")
def dicom() -> Callable[..., Path]:
    """Write a DICOM file; see `write_dicom`."""
    return write_dicom


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny folder of a user's own; takes the options of `write_folder`."""
    return lambda name="own", **options: write_folder(tmp_path / name, **options)


@pytest.fixture
def own_folder(make_folder: Callable[..., Path]) -> Path:
    """Eight images of two classes with masks, two of each patient."""
    return make_folder()


@pytest.fixture(scope="session")
def pack_idx() -> Callable[[np.ndarray], bytes]:
    """Pack 8-bit values as MNIST's authors do."""
    return idx


@pytest.fixture(scope="session")
def make_record() -> Callable[[int, bytes], bytes]:
    """Draw one record of CIFAR from a seed and its label bytes."""
    return draw_record


@pytest.fixture
def make_mnist(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny folder in the layout of MNIST; takes the options of `write_mnist`."""
    return lambda name="mnist", **options: write_mnist(tmp_path / name, **options)


@pytest.fixture
def mnist(make_mnist: Callable[..., Path]) -> Path:
    """Four digits of each class to train on and two to test on, in the layout of MNIST."""
    return make_mnist()


@pytest.fixture
def make_cifar10(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny folder in the layout of CIFAR-10; takes the options of `write_cifar10`."""
    return lambda name="cifar10", **options: write_cifar10(tmp_path / name, **options)


@pytest.fixture
def cifar10(make_cifar10: Callable[..., Path]) -> Path:
    """Four images of each class to train on and two to test on, in the layout of CIFAR-10."""
    return make_cifar10()


@pytest.fixture
def make_fundus(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny folder in the layout of HRF; takes the options of `write_fundus`."""

    def make(name: str = "hrf", **options: object) -> Path:
        return write_fundus(tmp_path / name, **options)  # type: ignore[arg-type]  # passed on as they are

    return make


@pytest.fixture
def fundus(make_fundus: Callable[..., Path]) -> Path:
    """Two cases per class in the layout of HRF."""
    return make_fundus()


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test away from the user's folders; give the folder that stands for them."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.delenv("CVS_MED_DATA", raising=False)
    monkeypatch.setenv("CVS_MED_CACHE", str(home / "cache"))
    for name in ("DATA", "CACHE", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    return home


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tests run side by side, and the number of threads may change the last bit of a sum."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine synthetic photographs of 64 rows, three of each class; not to be written to."""
    from cvs_med.datasets import phantom

    folder = tmp_path_factory.mktemp("phantom")
    phantom.make(folder, cases=9, size=64)
    return folder


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, cross_validate: Callable[..., "Silent"]) -> Path:
    """A finished run of CvS on nine phantoms; not to be written to."""
    run = tmp_path_factory.mktemp("finished") / "run"
    cross_validate(run, "training.epochs=1")
    return run


SMALL = (
    "images.size=64", "network.backbone=resnet18", "network.weights=none", "network.width=8",
    "training.epochs=2", "training.batch_size=4", "training.precision=fp32", "splits.folds=3",
)  # fmt: skip


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """Settings that make any protocol cheap."""
    return SMALL


class Silent:
    """An observer that keeps what it was told, as (fold, epoch)."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, int]] = []

    def stage(self, text: str) -> None:
        """Hear that a part of the work begins."""

    def counted(self, done: int, total: int) -> None:
        """Hear how many photographs are done."""

    def epoch(self, fold: int, epoch: object) -> None:
        """Keep the number of an epoch that has ended."""
        self.epochs.append((fold, epoch.number))  # type: ignore[attr-defined]  # an Epoch; see `setup.Observer`


@pytest.fixture(scope="session")
def cross_validate(phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Silent]:
    """Run a small protocol on nine phantoms: `cross_validate(out, *settings)`; returns the observer."""
    from cvs_med import experiment, protocol
    from cvs_med.setup import Machine

    cache = tmp_path_factory.mktemp("cache")

    def run(out: Path, *settings: str, data_dir: Path = phantom_folder, observer: Silent | None = None) -> Silent:
        watching = observer or Silent()
        experiment.cross_validate(
            protocol.load("phantom", [*SMALL, *settings]),
            out,
            data_dir=data_dir,
            machine=Machine(cache, "cpu", 1),
            observer=watching,
        )
        return watching

    return run
