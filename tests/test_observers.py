"""What an observer hears of trainings inside one another."""

from typing import Any

from cvs_med.observers import Inside, OfCell
from cvs_med.training import Epoch

EPOCH = Epoch(number=4, parts={"loss": 0.1}, seconds=1.0, images_per_second=8.0, epochs=10)


class Heard:
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.all: list[tuple[Any, ...]] = []

    def stage(self, text: str) -> None:
        self.all.append(("stage", text))

    def counted(self, done: int, total: int) -> None:
        self.all.append(("counted", done, total))

    def epoch(self, fold: int, epoch: Epoch) -> None:
        self.all.append(("epoch", fold, epoch.number))


def test_an_epoch_inside_a_fold_is_told_by_other_words() -> None:
    heard = Heard()
    inside = Inside(heard, lambda epoch: heard.counted(epoch.number + 1, epoch.epochs))
    inside.stage("masks")
    inside.epoch(2, EPOCH)
    inside.counted(3, 9)
    assert heard.all == [("stage", "masks"), ("counted", 5, 10), ("counted", 3, 9)]


def test_an_epoch_of_a_cell_is_one_of_its_number() -> None:
    heard = Heard()
    cell = OfCell(heard, 7)
    cell.stage("reading")
    cell.epoch(0, EPOCH)
    cell.counted(1, 2)
    assert heard.all == [("epoch", 7, 4), ("counted", 1, 2)]
