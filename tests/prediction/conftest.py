"""Small finished runs, to be copied before anything in them is changed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def finished(cross_validate: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give a finished run of these settings, by default with a frozen encoder; not to be written to."""
    frozen = ("network.trainable=head", "augmentation.colour=0")
    folder = tmp_path_factory.mktemp("finished")
    made: dict[tuple[str, ...], Path] = {}

    def run(*settings: str, trainable: str = "head") -> Path:
        asked = (*(frozen if trainable == "head" else ()), *settings)
        if asked not in made:
            out = folder / str(len(made))
            cross_validate(out, "training.epochs=1", *asked)
            made[asked] = out
        return made[asked]

    return run


@pytest.fixture
def run(finished: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of a finished run of CvS on phantoms, its encoder frozen."""
    return Path(shutil.copytree(finished(), tmp_path / "run"))


@pytest.fixture
def photographs(phantom_folder: Path, tmp_path: Path) -> Path:
    """Three photographs in two folders, one of them damaged."""
    folder = tmp_path / "photographs"
    (folder / "more").mkdir(parents=True)
    images = sorted((phantom_folder / "images").iterdir())
    shutil.copy(images[0], folder / f"a, ü{images[0].suffix}")
    shutil.copy(images[-1], folder / "more" / f"b{images[-1].suffix}")
    (folder / "broken.png").write_bytes(images[0].read_bytes()[:40])
    return folder
