"""Who watches a run, and what reaches them of the trainings inside one another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Interface

from cvs_med.training import Epoch


class Observer(Interface):
    """Whoever watches a run."""

    def stage(self, text: str) -> None:
        """A part of the work begins."""

    def counted(self, done: int, total: int) -> None:
        """So many photographs of this stage are done."""

    def epoch(self, fold: int, epoch: Epoch) -> None:
        """An epoch of a fold has ended."""


@dataclass(frozen=True, slots=True)
class Inside:
    """An observer of a training inside a fold, whose epochs would pass for those of the fold.

    Attributes:
        observer: hears of stages and counts as ever.
        told: what is done with an epoch instead.
    """

    observer: Observer
    told: Callable[[Epoch], None]

    def stage(self, text: str) -> None:
        """Tell that a part of the work begins."""
        self.observer.stage(text)

    def counted(self, done: int, total: int) -> None:
        """Tell how many are done."""
        self.observer.counted(done, total)

    def epoch(self, fold: int, epoch: Epoch) -> None:
        """Tell of an epoch by other words."""
        self.told(epoch)


@dataclass(frozen=True, slots=True)
class OfCell:
    """An observer who hears of one cell of a table: its epochs by the cell's number, and how many images are done."""

    observer: Observer
    number: int

    def stage(self, text: str) -> None:
        """Keep quiet: the stages of every cell are the same."""

    def counted(self, done: int, total: int) -> None:
        """Pass on how many images are done."""
        self.observer.counted(done, total)

    def epoch(self, fold: int, epoch: Epoch) -> None:
        """Pass on an epoch as one of this cell."""
        self.observer.epoch(self.number, epoch)
