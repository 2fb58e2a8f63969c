"""Several cross-validations that differ only in their seed, and what they say together."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cvs_med import run_folder
from cvs_med.errors import RunError
from cvs_med.evaluation import Metrics, RunMetrics, measure_run, read_json
from cvs_med.evaluation.decided import DecidedMetrics
from cvs_med.protocol import Protocol
from cvs_med.statistics.cross_validation import by_size, corrected_resampled_t, held_out_ratio
from cvs_med.statistics.intervals import Interval
from cvs_med.tables import read_predictions, write_bytes

_SUMMARY = "repeats.json"


@dataclass(frozen=True, slots=True)
class Repeated:
    """What one method reached over the repeats.

    Attributes:
        right: cases given their reference class, in each repeat.
        mean: mean of `right`.
        low: the fewest.
        high: the most.
        interval: 95 % interval of the accuracy by the corrected resampled t, cut to 0 and 1; None where all folds have
            the same accuracy.
    """

    right: tuple[int, ...]
    mean: float
    low: int
    high: int
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Mistaken:
    """A case that was given another class in more than half of the repeats."""

    case_id: str
    label: str
    wrong: int


@dataclass(frozen=True, slots=True)
class RepeatedDecisions:
    """What decisions inside the training parts did for the test cases, in each repeat; None is what was not asked for.

    Attributes:
        log_loss: before and after the temperatures.
        answered: cases that were answered rather than sent to a human.
        wrong: of these answers.
        held: cases whose prediction set holds the reference class.
        single: prediction sets of one class.
    """

    log_loss: tuple[tuple[float, float], ...] | None
    answered: tuple[int, ...] | None
    wrong: tuple[int, ...] | None
    held: tuple[int, ...] | None
    single: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Repeats:
    """Repeats of one method, with its baselines on the same folds; repeats.json holds exactly this.

    Attributes:
        method: its name.
        splits: how the folds were dealt.
        seeds: of the repeats.
        cases: number of cases.
        result: of the method.
        baselines: of each baseline.
        mistaken: the method's, most often wrong first.
        decided: None where nothing was decided inside the training parts.
        groups_parted: whether groups are known and the folds may part them; the intervals are then too narrow.
    """

    method: str
    splits: str
    seeds: tuple[int, ...]
    cases: int
    result: Repeated
    baselines: dict[str, Repeated]
    mistaken: tuple[Mistaken, ...]
    decided: RepeatedDecisions | None = None
    groups_parted: bool = False

    @property
    def compared(self) -> list[tuple[str, Repeated]]:
        """The method, then the baselines."""
        return [(self.method, self.result), *self.baselines.items()]


def repeat(protocol: Protocol, out: Path, count: int, run: Callable[[Protocol, Path], None]) -> Repeats:
    """Run a protocol with `count` seeds from its own on, each in `OUT/seed-K`, and sum them up in repeats.json.

    Args:
        protocol: the experiment.
        out: folder of the repeats; a finished repeat in it is kept as it is, an unfinished one goes on.
        count: number of repeats.
        run: runs one protocol in one folder, and writes its report last.

    Raises:
        CvsMedError: a repeat fails, or its folder holds a run of another protocol.
    """
    for one, folder in unfinished(protocol, out, count):
        run(one, folder)
    first = protocol.splits.seed
    summary = summarise(out, range(first, first + count))
    text = json.dumps(asdict(summary), indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(out / _SUMMARY, f"{text}\n".encode())
    return summary


def unfinished(protocol: Protocol, out: Path, count: int) -> Iterator[tuple[Protocol, Path]]:
    """Give the protocol and the folder of every repeat that is not finished; see `repeat`.

    Raises:
        RunError: a finished one is of another protocol, or the folder is that of a single run.
    """
    if (out / "protocol.yaml").exists():
        raise RunError(f"{out}: expected a folder for repeats, found that of a single run. Name another --out.")
    first = protocol.splits.seed
    for seed in range(first, first + count):
        splits = protocol.splits.model_copy(update={"seed": seed})
        one, folder = protocol.model_copy(update={"splits": splits}), out / f"seed-{seed}"
        if not _finished(folder, one):
            yield one, folder


def require_single(out: Path) -> None:
    """See that a folder, which may be missing, is not one of repeats.

    Raises:
        RunError: it is.
    """
    if (out / _SUMMARY).exists() or any(out.glob("seed-*/protocol.yaml")):
        raise RunError(f"{out}: expected a folder for a single run, found one of repeats. Name another --out, or ask "
                       "with --repeats for what is there.")  # fmt: skip


def runs_in(folder: Path) -> list[Path]:
    """List the runs of a folder of repeats; any other folder stands for itself.

    Raises:
        RunError: the repeats are not finished, or repeats.json is damaged.
    """
    if (folder / _SUMMARY).exists():
        seeds = read_json(folder / _SUMMARY, dict[str, Any]).get("seeds")
        if not isinstance(seeds, list) or not all(isinstance(seed, int) for seed in seeds):
            raise RunError(f"{folder / _SUMMARY}: expected a list of seeds, found {seeds!r}. Run the repeats again.")
        return [folder / f"seed-{seed}" for seed in seeds]
    if not (folder / "protocol.yaml").exists() and any(folder.glob("seed-*")):
        raise RunError(f"{folder}: expected finished repeats, found no {_SUMMARY}. Start the same command again.")
    return [folder]


def summarise(out: Path, seeds: Sequence[int]) -> Repeats:
    """Sum up finished repeats.

    Raises:
        RunError: one is not finished or damaged, or they rest on different data.
    """
    runs = [out / f"seed-{seed}" for seed in seeds]
    _require_one_input(runs)
    measured = [measure_run(run) for run in runs]
    first = measured[0]
    return Repeats(
        method=first.method,
        splits=first.splits,
        seeds=tuple(seeds),
        cases=first.result.accuracy.n,
        result=_over([each.result for each in measured]),
        baselines={name: _over([each.baselines[name] for each in measured]) for name in first.baselines},
        mistaken=_mistaken(runs, first),
        decided=_decided([each.decided for each in measured if each.decided]),
        groups_parted=first.result.by_group is not None and first.splits != "grouped",
    )


def _finished(folder: Path, protocol: Protocol) -> bool:
    """Tell whether a run has written its last file, by this protocol and no other."""
    if not (folder / "report.html").exists():
        return False
    run_folder.claim(folder / "protocol.yaml", protocol, begun=True)
    return True


def _require_one_input(runs: Sequence[Path]) -> None:
    """See that all repeats rest on the same photographs, masks and labels; random encoders differ by their seed."""
    first, *others = [
        {what: value for what, value in read_json(run / "inputs.json", dict[str, str]).items() if "encoder" not in what}
        for run in runs
    ]
    for run, found in zip(runs[1:], others, strict=True):
        if found != first:
            raise run_folder.changed(run, "inputs.json")


def _over(repeats: Sequence[Metrics]) -> Repeated:
    right = tuple(each.accuracy.successes for each in repeats)
    sums = np.array([[fold.accuracy.successes for fold in each.folds] for each in repeats], dtype=np.float64)
    sizes = np.array([[fold.accuracy.n for fold in each.folds] for each in repeats])
    found = corrected_resampled_t(by_size(sums, sizes), held_out_ratio(sizes)).interval
    interval = Interval(max(found.low, 0.0), min(found.high, 1.0)) if found else None
    return Repeated(right, float(np.mean(right)), min(right), max(right), interval)


def _decided(repeats: Sequence[DecidedMetrics]) -> RepeatedDecisions | None:
    """Put together what repeats of one protocol decided; all of them were asked for the same."""
    calibrated = [each.calibrated for each in repeats if each.calibrated]
    abstained = [each.abstained for each in repeats if each.abstained]
    sets = [each.sets for each in repeats if each.sets]
    if not repeats:
        return None
    return RepeatedDecisions(
        log_loss=tuple((each.before.log_loss, each.after.log_loss) for each in calibrated) or None,
        answered=tuple(each.answered.successes for each in abstained) or None,
        wrong=tuple(each.wrong.successes for each in abstained) or None,
        held=tuple(each.holds.successes for each in sets) or None,
        single=tuple(each.sizes[1] for each in sets) or None,
    )


def _mistaken(runs: Sequence[Path], metrics: RunMetrics) -> tuple[Mistaken, ...]:
    wrong: Counter[tuple[str, int]] = Counter()
    for run in runs:
        rows = read_predictions(run / "predictions.csv", metrics.class_names)
        wrong.update((row.case_id, row.label) for row in rows if row.predicted != row.label)
    often = sorted(((case, count) for case, count in wrong.items() if 2 * count > len(runs)), key=lambda x: (-x[1], x))
    return tuple(Mistaken(case_id, metrics.class_names[label], count) for (case_id, label), count in often)
