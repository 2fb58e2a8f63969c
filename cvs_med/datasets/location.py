"""Where the files of a data set lie on this machine."""

import os
import tempfile
from pathlib import Path

from platformdirs import user_data_path

from cvs_med.datasets import archive
from cvs_med.datasets.dataset import DataNotFoundError, DataSet

ENVIRONMENT = "CVS_MED_DATA"


def find(dataset: DataSet, data_dir: Path | None) -> Path:
    """Find the folder of a data set; see `datasets.locate`."""
    if data_dir is not None:
        if not data_dir.is_dir():
            raise DataNotFoundError(f"Expected the folder of the data set {dataset.name}, found none at {data_dir}.")
        return data_dir
    own = user_folder(dataset)
    found = next((folder for folder in [*_from_environment(dataset), own] if folder.is_dir()), None)
    if found:
        return found
    if dataset.told_by is not None:
        raise DataNotFoundError("Expected the folder of your own images, found none. Name it with `--data-dir DIR`.")
    if dataset.prepare is None:
        raise DataNotFoundError(
            f"The data set {dataset.name} is not on this machine: run `cvs-med data fetch {dataset.name}`, "
            "or name its folder with `--data-dir DIR`."
        )
    make(dataset, own)
    return own


def user_folder(dataset: DataSet) -> Path:
    """Folder of a data set in the user's data folder, whether it exists or not."""
    return user_data_path("cvs-med", appauthor=False) / dataset.name


def make(dataset: DataSet, target: Path) -> None:
    """Write an embedded data set into a new folder, all of it or nothing.

    Raises:
        DataNotFoundError: the data set is not embedded, or the folder cannot be written.
    """
    if dataset.prepare is None:
        raise DataNotFoundError(f"The data set {dataset.name} cannot be made, only fetched.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{dataset.name}-") as folder:
            dataset.prepare(Path(folder) / dataset.name)
            os.replace(Path(folder) / dataset.name, target)
    except OSError as error:
        if not target.is_dir():  # Another process may have finished the same data set first.
            raise DataNotFoundError(
                f"The data set {dataset.name} could not be written to {target} ({error}): "
                f"set {ENVIRONMENT} or `--data-dir` to a folder that holds it, or make room."
            ) from error


def fetch(dataset: DataSet, target: Path, source: Path | None) -> None:
    """Put what a data set's authors published into a new folder; see `archive.fetch_official`.

    Raises:
        DataNotFoundError: the data set is embedded, so that there is nothing to fetch.
    """
    if dataset.official is None:
        raise DataNotFoundError(f"The data set {dataset.name} cannot be fetched, only made.")
    archive.fetch_official(dataset.official, target, source)


def _from_environment(dataset: DataSet) -> list[Path]:
    """Folders that CVS_MED_DATA may mean: the one above all data sets, or that of HRF itself."""
    value = os.environ.get(ENVIRONMENT)
    if not value:
        return []
    # Phantom has HRF's layout, so that a folder given as such is never taken for any other data set.
    itself = dataset.name == "hrf" and (Path(value) / "images").is_dir()
    return [Path(value) / dataset.name, *([Path(value)] if itself else [])]
