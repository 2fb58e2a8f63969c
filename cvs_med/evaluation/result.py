"""What metrics.json holds: counts with intervals, and numbers that are None where they are not defined."""

from dataclasses import dataclass

from cvs_med.evaluation.decided import DecidedMetrics
from cvs_med.statistics.intervals import Interval
from cvs_med.statistics.metrics import PredictiveValue, Proportion

INTERVAL_CAVEAT = (
    "Wilson intervals treat the cases as independent, and the folds share training data: "
    "the true uncertainty is larger than the intervals show."
)


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One class against all others.

    Attributes:
        name: of the class.
        sensitivity: cases of the class that were given it.
        specificity: cases of other classes that were not.
        positive_predictive_value: cases given the class that are of it, with the prevalence among these cases.
        negative_predictive_value: cases not given the class that are not of it.
        auroc: mean over the folds where it is defined; None where it is nowhere.
        auroc_folds: number of these folds.
    """

    name: str
    sensitivity: Proportion
    specificity: Proportion
    positive_predictive_value: PredictiveValue
    negative_predictive_value: PredictiveValue
    auroc: float | None
    auroc_folds: int


@dataclass(frozen=True, slots=True)
class FoldMetrics:
    """One fold.

    Attributes:
        fold: its number, from zero.
        accuracy: cases of its test part given their reference class.
        macro_auroc: mean of `aurocs`; None where the classes `absent` have no case in its test part.
        absent: names of these classes.
        aurocs: each class against the rest; None where the fold has no case of the class, or no other.
    """

    fold: int
    accuracy: Proportion
    macro_auroc: float | None
    absent: tuple[str, ...]
    aurocs: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and range of a number over the `cases` where it is known."""

    mean: float
    low: float
    high: float
    cases: int


@dataclass(frozen=True, slots=True)
class Siblings:
    """Accuracy with and without the cases that had another case of their group in their training part."""

    with_sibling: Proportion
    without_sibling: Proportion


@dataclass(frozen=True, slots=True)
class GroupedAccuracy:
    """The interval of the accuracy where cases come in groups: two eyes of one person are not two witnesses.

    Attributes:
        groups: number of groups; a case without one is a group of its own.
        interval: 95 %, of `clusters.wilson_by_group`.
    """

    groups: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class Intervals:
    """95 % intervals that count groups, cases without one as groups of their own; None where there is none.

    Attributes:
        balanced_accuracy: by the accelerated bootstrap of groups, as the next.
        mean_auroc: of the mean over the folds.
        brier: of the mean over the cases, by `clusters.mean_by_group`, as the next two.
        dice_working: at the network's size.
        dice_native: at the photograph's own size.
    """

    balanced_accuracy: Interval | None
    mean_auroc: Interval | None
    brier: Interval | None
    dice_working: Interval | None
    dice_native: Interval | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one method reached.

    Attributes:
        accuracy: cases given their reference class.
        balanced_accuracy: mean of the sensitivities of the classes that have cases.
        classes: each class against the others, in the order of the classes.
        confusion: cases by reference class (rows) and predicted class (columns).
        folds: accuracy and AUROC per fold.
        mean_auroc: mean of the folds' macro AUROC where it is defined; None where it is nowhere.
        brier: squared error of the probabilities, summed over the classes: 0 to 2, small is good.
        calibration_error: expected calibration error over bins of equally many cases.
        dice_working: Dice at the network's size, if there is a map and a reference mask.
        dice_native: Dice at the photograph's own size.
        centreline_dice: clDice at the network's size, from the maps of the run folder; None without maps, and where
            the foreground is regions.
        outline_distance: 95 % Hausdorff distance in pixels of the network's size, from the same maps; None without
            maps, and where the foreground is lines.
        siblings: None where no groups are known.
        by_group: None where no groups are known.
        intervals: of what is no count of cases.
    """

    accuracy: Proportion
    balanced_accuracy: float | None
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    folds: tuple[FoldMetrics, ...]
    mean_auroc: float | None
    brier: float
    calibration_error: float
    dice_working: Spread | None
    dice_native: Spread | None
    centreline_dice: Spread | None
    outline_distance: Spread | None
    siblings: Siblings | None
    by_group: GroupedAccuracy | None
    intervals: Intervals


@dataclass(frozen=True, slots=True)
class Balance:
    """How far from balanced the folds are.

    Attributes:
        cases: number of cases by fold (rows) and class (columns).
        largest_deviation: the most that one of these numbers is away, in cases, from the fold's share of the class.
        fold: where that is, from zero.
        class_name: the class.
    """

    cases: tuple[tuple[int, ...], ...]
    largest_deviation: float
    fold: int
    class_name: str


@dataclass(frozen=True, slots=True)
class MadeMasks:
    """The masks of the training parts, of a run that learnt from a few and made the rest from them.

    Attributes:
        given: masks that were drawn and learnt from, by fold.
        made: masks that a network made from them, by fold.
        guessed: how many of the made ones are guesses, since no foreground was found.
        confidence: of the network, over all made masks.
        dice: overlap of the made masks with the references that are known, at the network's size.
    """

    given: tuple[int, ...]
    made: tuple[int, ...]
    guessed: int
    confidence: Spread | None
    dice: Spread | None


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """A run folder's method and, on the same folds, its baselines; metrics.json holds exactly this.

    `selected` says, of a run that chose between protocols inside each training part, how often each was chosen;
    `decided` what else was decided there; `masks` what is known of the masks, of a run that learnt from a few.
    """

    method: str
    splits: str
    foreground: str
    class_names: tuple[str, ...]
    result: Metrics
    baselines: dict[str, Metrics]
    balance: Balance
    selected: dict[str, int] | None = None
    decided: DecidedMetrics | None = None
    masks: MadeMasks | None = None
    interval_caveat: str = INTERVAL_CAVEAT

    @property
    def compared(self) -> list[tuple[str, Metrics]]:
        """The method, then the baselines."""
        return [(self.method, self.result), *self.baselines.items()]
