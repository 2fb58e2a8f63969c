"""What is shown while a run works: live bars on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

if TYPE_CHECKING:  # Predictions are watched without a network library too.
    from cvs_med.training import Epoch


class Watch:
    """An observer that prints to standard error."""

    def __init__(self, parts: int, *, quiet: bool, noun: str = "Fold", alike: bool = True) -> None:
        """Prepare to watch.

        Args:
            parts: of the work, such as folds.
            quiet: print nothing.
            noun: what a part is called.
            alike: all parts take as long, so that the time left can be told.
        """
        self.parts, self.noun, self.alike = parts, noun, alike
        self.console = Console(stderr=True, quiet=quiet)
        self.live = self.console.is_terminal and not quiet
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=self.console,
            transient=True,
            disable=not self.live,
        )
        self.bar = self.bars.add_task("Starting", total=None)
        self.started = self.told = time.monotonic()
        self.seconds: list[float] = []

    def __enter__(self) -> "Watch":
        """Start the live display."""
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the live display."""
        self.bars.stop()

    def stage(self, text: str) -> None:
        """Name the part of the work that begins."""
        self.bars.reset(self.bar, description=text, total=None)
        self.console.print(f"[{self._clock()}] {text}", markup=False, highlight=False)

    def counted(self, done: int, total: int) -> None:
        """Show how many photographs of this stage are done."""
        self.bars.update(self.bar, completed=done, total=total)
        if not self.live and time.monotonic() - self.told > 10:
            self._tell(f"  {done} of {total}")

    def epoch(self, fold: int, epoch: "Epoch") -> None:
        """Show an epoch of a part: loss, throughput, and the time left for all parts."""
        self.seconds.append(epoch.seconds)
        done, total = fold * epoch.epochs + epoch.number + 1, self.parts * epoch.epochs
        left = _minutes((total - done) * sum(self.seconds) / len(self.seconds))
        text = (
            f"{self.noun} {fold + 1}/{self.parts}, epoch {epoch.number + 1}/{epoch.epochs}: "
            f"loss {epoch.parts['loss']:.3f}, {epoch.images_per_second:.1f} images/s"
            + (f", {left} of training left" if self.alike else "")
        )
        self.bars.update(self.bar, description=text, completed=done, total=total)
        if not self.live and (time.monotonic() - self.told > 10 or epoch.number + 1 == epoch.epochs):
            self._tell(f"  {text}")

    def _tell(self, text: str) -> None:
        self.told = time.monotonic()
        self.console.print(f"[{self._clock()}] {text}", markup=False, highlight=False)

    def _clock(self) -> str:
        return _minutes(time.monotonic() - self.started)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
