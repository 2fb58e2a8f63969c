"""Functions timed in turn, and what their times say: ratios, with the machine's description."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch


@dataclass(frozen=True, slots=True)
class Ratio:
    """One comparison: medians over the rounds, in images per second or milliseconds a step."""

    what: str
    ours: float
    other: float
    ratio: float
    unit: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark found, and on which machine."""

    ratios: tuple[Ratio, ...]
    rounds: int
    machine: dict[str, str | float]

    def to_json(self) -> str:
        """Write it for programs."""
        return json.dumps(asdict(self), indent=2)

    def to_table(self) -> str:
        """Write it for people, as Markdown."""
        head = "| what | ours | other | ratio |\n|---|---|---|---|"
        rows = [f"| {r.what} | {r.ours:.2f} {r.unit} | {r.other:.2f} {r.unit} | {r.ratio:.2f} |" for r in self.ratios]
        place = f"{self.machine['processor']}, {self.machine['threads']:g} threads, torch {self.machine['torch']}"
        return "\n".join([head, *rows, "", f"Medians of {self.rounds} alternating rounds. {place}."])


def alternate(functions: Sequence[Callable[[], None]], rounds: int) -> list[list[float]]:
    """Run the functions in turn, once to warm up and then for the rounds, and give the seconds of each."""
    seconds: list[list[float]] = [[] for _ in functions]
    for number in range(rounds + 1):
        for function, times in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            if torch.cuda.is_available():  # A GPU works on after the call has returned.
                torch.cuda.synchronize()
            if number:
                times.append(time.perf_counter() - start)
    return seconds
