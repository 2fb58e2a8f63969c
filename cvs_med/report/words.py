"""Numbers and names as a person would say them; terminal, figures and page all say them alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from cvs_med.evaluation import FoldMetrics, MadeMasks, Metrics, RunMetrics, Spread
from cvs_med.evaluation.decided import Abstained, Calibrated, DecidedMetrics
from cvs_med.report.differences import Difference
from cvs_med.statistics.calibration import COLDEST, HOTTEST
from cvs_med.statistics.intervals import Interval
from cvs_med.statistics.metrics import Proportion

NOT_DEFINED = "not defined"
NO_INTERVAL = "no interval"

MOST_CLASSES = 12
"""Classes up to which a confusion matrix can be read; of more, the most frequent confusions are listed."""

_METHODS = {
    "cvs": "CvS (class from the map)",
    "classification": "classification (no map)",
    "multitask": "multi-task (class beside the map)",
    "probe": "probe (frozen features)",
    "selected": "chosen inside each training part",
    "majority": "most frequent class",
    "mask-area": "area of the gold mask",
}


def method(name: str) -> str:
    """Say what a method or baseline is; an unknown one keeps its name."""
    return _METHODS.get(name, name)


def counted(proportion: Proportion) -> str:
    """Say a proportion as a count, such as `37 of 45`."""
    return f"{proportion.successes} of {proportion.n}"


def percent(share: float | None) -> str:
    """Say a share in percent with one decimal."""
    return NOT_DEFINED if share is None else f"{100 * share:.1f} %"


def interval(proportion: Proportion) -> str:
    """Say the ends of an interval in percent; nothing where nothing was counted."""
    return f"{100 * proportion.low:.1f} to {100 * proportion.high:.1f} %" if proportion.n else NOT_DEFINED


def sentence(proportion: Proportion, noun: str = "images") -> str:
    """Say a proportion whole, such as `37 of 45 images (82 %, 95 % Wilson interval 69 to 91 %)`."""
    if proportion.share is None:
        return f"no {noun}"
    ends = f"{100 * proportion.low:.0f} to {100 * proportion.high:.0f} %"
    return f"{counted(proportion)} {noun} ({100 * proportion.share:.0f} %, 95 % Wilson interval {ends})"


def auroc(fold: FoldMetrics) -> str:
    """Say the AUROC of a fold, or which classes it lacks."""
    return f"no {_absent(fold.absent)}" if fold.macro_auroc is None else number(fold.macro_auroc)


def number(value: float | None) -> str:
    """Say an AUROC or a Dice with three decimals."""
    return NOT_DEFINED if value is None else f"{value:.3f}"


def ends(interval: Interval | None, digits: int = 3) -> str:
    """Say an interval of numbers, such as `0.684 to 0.741`."""
    return NO_INTERVAL if interval is None else f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"


def percent_ends(interval: Interval | None) -> str:
    """Say an interval of shares, such as `70.2 to 91.3 %`."""
    return NO_INTERVAL if interval is None else f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"


def spread(value: Spread | None, of_mean: Interval | None = None) -> str:
    """Say mean, its interval, and the range: `0.713 on average (95 %: 0.69 to 0.73; 0.60 to 0.79 over 45 images)`."""
    if value is None:
        return "not known"
    said = _over(value, "images")
    return said.replace("(", f"(95 %: {ends(of_mean)}; ", 1) if of_mean else said


def _over(value: Spread, what: str) -> str:
    return f"{value.mean:.3f} on average ({value.low:.3f} to {value.high:.3f} over {value.cases} {what})"


def made_masks(masks: MadeMasks) -> str:
    """Say how many masks were given and made inside the training parts, and how good the made ones are."""
    guessed = f"; {masks.guessed} are guesses, since nothing was found" if masks.guessed else ""
    said = (
        f"Each fold learnt from {_range(masks.given)} masks that were given; a network made the other "
        f"{_range(masks.made)} of its training part from them{guessed}."
    )
    if masks.dice:
        said += f" Dice of the made masks with the references that are known: {_over(masks.dice, 'made masks')}."
    if masks.confidence:
        said += f" Mean confidence of the network: {masks.confidence.mean:.3f}."
    return said


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def length(training: Mapping[str, Any]) -> str:
    """Say how long a training is, by its part of a protocol."""
    if training.get("schedule") == "hyperrule":
        return "by BiT's HyperRule"
    if steps := training.get("steps"):
        return f"{steps} steps"
    least = training.get("least_steps") or 1
    more = f", or those of {least} steps where they are more" if least != 1 else ""
    epochs = training.get("epochs")
    return f"{epochs} epoch{'' if epochs == 1 else 's'}{more}"


def batch(training: Mapping[str, Any]) -> str:
    """Say how many images a step has, by the same."""
    fewer = training.get("smaller_batches") or {}
    sizes = sorted(fewer.items(), key=lambda size: int(size[0]))
    said = [f"{size} with at most {most} training images" for most, size in sizes]
    return ", ".join([f"{training.get('batch_size')} images a step", *said])


def confusions(run: RunMetrics, most: int = 20) -> list[tuple[str, str, int]]:
    """List reference class, class given and number of cases, the most frequent first."""
    found = [
        (name, given, count)
        for name, row in zip(run.class_names, run.result.confusion, strict=True)
        for given, count in zip(run.class_names, row, strict=True)
        if count and given != name
    ]
    return sorted(found, key=lambda each: -each[2])[:most]


def siblings(metrics: Metrics) -> str:
    """Say what images of one group on both sides of a split may have done; nothing where no groups are known."""
    if metrics.siblings is None:
        return ""
    if metrics.siblings.with_sibling.n == 0:
        return "No image had another image of its group (a patient, a sitting) in its training part."
    return (
        f"{metrics.siblings.with_sibling.n} of {metrics.accuracy.n} images had another image of their group "
        "(a patient, a sitting) in their training part. "
        f"Accuracy with these: {sentence(metrics.siblings.with_sibling)}; "
        f"without: {sentence(metrics.siblings.without_sibling)}."
    )


def beside_baselines(run: RunMetrics, differences: Sequence[Difference]) -> str:
    """Compare the count of the method with the best baseline's, and say what the tests show; nothing without one."""
    if not run.baselines:
        return ""
    name, best = max(run.baselines.items(), key=lambda item: item[1].accuracy.successes)
    more = run.result.accuracy.successes - best.accuracy.successes
    compared = f"{more} more than" if more > 0 else f"{-more} fewer than" if more < 0 else "as many as"
    said = f"That is {compared} the best baseline, {method(name)}: {sentence(best.accuracy)}."
    return f"{said} {tested(differences)} Not shown is not the same as equal."


def tested(differences: Sequence[Difference]) -> str:
    """Say from which baselines the paired tests tell the method; nothing where there is no baseline."""
    parts = [
        (f"right more often than {_of([each for each in differences if each.shown and each.more > 0])}", ""),
        (f"right less often than {_of([each for each in differences if each.shown and each.more < 0])}", ""),
        (f"different from {_of([each for each in differences if not each.shown])}", "not shown to be "),
    ]
    told = [verb + text for text, verb in parts if not text.endswith(" ")]
    return f"On these images and folds it is {listed(told, 'and')}; other folds may say otherwise." if told else ""


def decided(found: DecidedMetrics | None) -> list[str]:
    """Say what was decided inside the training parts did for the test cases, a sentence each."""
    if found is None:
        return []
    said = []
    if found.calibrated:
        before, after = found.calibrated.before, found.calibrated.after
        low, high = min(found.calibrated.temperatures), max(found.calibrated.temperatures)
        said.append(
            f"Temperatures of {low:.2f} to {high:.2f}, fitted inside the training parts, change the log loss from "
            f"{before.log_loss:.3f} to {after.log_loss:.3f}, the Brier score from {before.brier:.3f} to "
            f"{after.brier:.3f} and the calibration error from {before.calibration_error:.3f} to "
            f"{after.calibration_error:.3f}; no answer changes its class.{_at_limit(found.calibrated)}"
        )
    if found.abstained:
        said.append(_abstained(found.abstained))
    if found.sets:
        sets = found.sets
        said.append(
            f"Sets made to hold the reference class in {percent(sets.coverage)} of new images hold it in "
            f"{sentence(sets.holds)}{_by_group(sets.holds_by_group)}; {sets.sizes[1]} of all sets name one class, "
            f"{sets.sizes[0]} none."
        )
    return said


def _at_limit(found: Calibrated) -> str:
    if not found.at_limit:
        return ""
    folds = "1 fold" if found.at_limit == 1 else f"{found.at_limit} folds"
    return (
        f" In {folds} no temperature between {COLDEST:g} and {HOTTEST:g} was found, as where every answer inside is "
        "right (the colder the better) or its probability tells nothing (the hotter the better); it says nothing of "
        "new images."
    )


def _abstained(found: Abstained) -> str:
    count = found.folds_without
    folds = "1 fold" if count == 1 else f"{count} folds"
    without = f" In {folds} no threshold kept the risk inside, so that all their images go to a human." if count else ""
    rule = f"With thresholds that kept wrong answers at {percent(found.risk)} or less inside the training parts, "
    if not found.answered.successes:
        return f"{rule}no image is answered: all go to a human.{without}"
    return (
        f"{rule}{counted(found.answered)} images are answered, and {sentence(found.wrong, 'answers')} are "
        f"wrong{_by_group(found.wrong_by_group)}. The rest goes to a human: of these, "
        f"{counted(found.wrong_among_sent)} would have been wrong. A threshold that was chosen to look good on so few "
        f"answers promises nothing: new answers are wrong more often.{without}"
    )


def _by_group(found: Interval | None) -> str:
    return "" if found is None else f" (counting groups, {100 * found.low:.0f} to {100 * found.high:.0f} %)"


def _of(differences: Sequence[Difference]) -> str:
    return listed([f"{method(each.baseline)} ({p(each.p_corrected)})" for each in differences])


def p(value: float) -> str:
    """Say a p-value, on one line."""
    said = "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"
    return said.replace(" ", "\N{NO-BREAK SPACE}")


def signed(count: int) -> str:
    """Say a count with its sign, and a minus that is no hyphen."""
    return f"{count:+d}".replace("-", "\N{MINUS SIGN}")


def listed(names: Sequence[str], word: str = "and") -> str:
    """Join names as in a sentence."""
    return f" {word} ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _absent(names: Sequence[str]) -> str:
    return listed(names, "or") if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"
