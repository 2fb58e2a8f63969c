"""What can go wrong because of the input, said so that a person can mend it.

Every error that a user can cause is a `CvsMedError`. The command line prints its text without a traceback and ends with
exit code 2. The text says what was expected, what was found, and what to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class CvsMedError(Exception):
    """An input that cannot be used; the message names expectation, finding and remedy."""


class ProtocolError(CvsMedError):
    """A protocol file or a setting given on the command line is not valid."""


class WeightsError(CvsMedError):
    """Pretrained weights are missing, damaged, or do not fit the network."""


class DownloadError(CvsMedError):
    """A file could not be fetched, or what came is not what its checksum promises."""


class RunError(CvsMedError):
    """A run folder is in use, incomplete, damaged, or belongs to another protocol."""


class ReviewError(CvsMedError):
    """The store of reviews cannot be used, or something was to be stored that has no place in it."""


class StatisticsError(CvsMedError, ValueError):
    """Numbers were given from which a statistic cannot be computed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a data set.

    Attributes:
        where: the file (relative to the data folder where possible) or the class that it concerns.
        expected: what should have been there.
        found: what was there.
        remedy: what the user can do, as an imperative sentence.
    """

    where: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        """Return the fault as one line."""
        return f"{self.where}: expected {self.expected}, found {self.found}. {self.remedy}"


def reason(error: Exception) -> str:
    """Say why reading or writing failed, in the system's words but without its number and the file's name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def printable(text: str, longest: int = 100) -> str:
    """Write a text of unknown origin for a message: on one line, without control signs, and not too long."""
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return shown if len(shown) <= longest else f"{shown[:longest]}..."


class DataError(CvsMedError):
    """A data set has faults; all of them are listed at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the list and compose the message from it."""
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"The data set has {count}:", *(f"  {problem}" for problem in self.problems)]))


def fault(where: object, expected: str, found: str, remedy: str) -> DataError:
    """Make the error of a single problem."""
    return DataError([Problem(str(where), expected, found, remedy)])
