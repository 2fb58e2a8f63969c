"""What every data set tells about itself."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cvs_med.datasets.archive import Official
from cvs_med.datasets.checks import check_cases
from cvs_med.errors import CvsMedError, DataError, Problem
from cvs_med.types import PLAIN, Case, Reading, Shape


class DataNotFoundError(CvsMedError):
    """A data set is not on this machine; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data set: what it is, under which terms, and how its files are read.

    Attributes:
        name: what a user types.
        title: full name.
        class_names: P names for people, in the order of the labels.
        class_codes: P short names, as in file names.
        foreground: what the foreground mask shows, in the plural.
        foreground_shape: whether that is lines or regions.
        licence: terms of use.
        citation: publication to cite.
        notes: what a reader of results must know about the data.
        survey: lists what can be read of a folder as cases and what cannot as problems; decodes no photograph, but
            reads packed files, see `packed`.
        prepare: writes the data set into a folder that does not exist yet, for a data set that the package carries.
        official: what the authors published, for a data set that can be fetched.
        told_by: reads from a folder what the data set in it is, for one whose classes only its folder tells.
        surroundings: whether an image has dark surroundings that do not show the patient, as a fundus photograph has.
        reading: how a user's own files become pictures.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    class_codes: tuple[str, ...]
    foreground: str
    licence: str
    citation: str
    notes: tuple[str, ...]
    survey: Callable[[Path], tuple[list[Case], list[Problem]]]
    prepare: Callable[[Path], None] | None = None
    official: Official | None = None
    told_by: Callable[[Path], "DataSet"] | None = None
    surroundings: bool = False
    reading: Reading = PLAIN
    foreground_shape: Shape = "lines"

    def at(self, root: Path) -> "DataSet":
        """Give the data set as its folder tells it.

        Raises:
            DataError: what the folder tells about itself cannot be understood.
        """
        return self if self.told_by is None else self.told_by(root)

    def cases(self, root: Path) -> list[Case]:
        """List the cases of a folder without decoding them.

        Raises:
            DataError: files are missing, doubled or not to be understood; all of them are listed.
        """
        cases, problems = self.survey(root)
        if problems:
            raise DataError(problems)
        return cases

    def check(self, root: Path) -> tuple[list[Case], list[Problem]]:
        """List the cases of a folder, and every fault: of its names, and of its files once decoded."""
        cases, problems = self.survey(root)
        return cases, problems + check_cases(cases, root)
