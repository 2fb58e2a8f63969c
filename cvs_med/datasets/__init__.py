"""The data sets that the package knows."""

from pathlib import Path

from cvs_med.datasets import location
from cvs_med.datasets.checks import check_cases, check_folds
from cvs_med.datasets.cifar import CIFAR10, CIFAR100
from cvs_med.datasets.dataset import DataNotFoundError, DataSet
from cvs_med.datasets.digits import DIGITS
from cvs_med.datasets.folder import FOLDER
from cvs_med.datasets.hrf import HRF
from cvs_med.datasets.mnist import MNIST
from cvs_med.datasets.synthetic import PHANTOM
from cvs_med.errors import DataError
from cvs_med.types import Case

__all__ = ["DATASETS", "DataNotFoundError", "DataSet", "check_folds", "get", "locate", "opened", "read"]

DATASETS = {dataset.name: dataset for dataset in (HRF, PHANTOM, DIGITS, MNIST, CIFAR10, CIFAR100, FOLDER)}


def get(name: str) -> DataSet:
    """Look a data set up by its name.

    Raises:
        DataNotFoundError: there is none of that name.
    """
    if name not in DATASETS:
        raise DataNotFoundError(f"Expected one of the data sets {', '.join(DATASETS)}, found '{name}'.")
    return DATASETS[name]


def locate(name: str, data_dir: Path | None = None) -> Path:
    """Find the folder of a data set; write an embedded one into the user's data folder on first use.

    Args:
        name: a name of `DATASETS`.
        data_dir: the folder itself, if the user names it; otherwise CVS_MED_DATA and the user's folder are searched.

    Raises:
        DataNotFoundError: there is no such folder; the message says what to do.
    """
    return location.find(get(name), data_dir)


def opened(name: str, data_dir: Path | None = None) -> tuple[DataSet, Path]:
    """Find a data set and its folder; of a user's own folder, read what it is.

    Args:
        name: a name of `DATASETS`.
        data_dir: see `locate`.

    Raises:
        DataNotFoundError: there is no such data set or folder.
        DataError: the folder's dataset.yaml or labels cannot be understood.
    """
    root = locate(name, data_dir)
    return get(name).at(root), root


def read(dataset: DataSet, root: Path, *, folds: int) -> list[Case]:
    """List the cases of a folder for a cross-validation: all of them, but for an official test part.

    Files are decoded only if a fault has been found already, to list all faults at once. A folder without one is
    decoded by `cache.load`, which lists what it finds in the same way, and not a second time.

    Raises:
        DataError: cases are missing or doubled, there are none, or a class has fewer cases than there are folds.
    """
    found, problems = dataset.survey(root)
    cases = [case for case in found if case.part != "test"]
    if cases or not problems:
        problems = problems + check_folds(cases, folds, dataset.class_names)
    if problems:
        raise DataError(problems + check_cases(cases, root))
    return cases
