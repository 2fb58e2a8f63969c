"""What a run knows of the questions that reporting checklists and model cards ask, a sentence or two each."""

from collections.abc import Mapping
from typing import Any

from cvs_med.report import words
from cvs_med.report.facts import Facts
from cvs_med.report.sections.closing import limitations


def answers(facts: Facts) -> dict[str, str]:
    """Answer by name whatever the run can; what it cannot is an empty text."""
    return {**_data(facts), **_method(facts), **_results(facts)}


def _data(facts: Facts) -> dict[str, str]:
    card, folds = facts.dataset, facts.folds
    counts = ", ".join(f"{count} {name}" for name, count in facts.class_counts)
    apart = "Group (patient or sitting)" if folds.kind == "grouped" else "Image"
    known = f"{facts.groups} groups are known." if facts.groups else "No groups are known."
    return {
        "aim": f"To tell {words.listed(card.class_names, 'or')} from one image; evaluated by cross-validation.",
        "source": f"{card.title} ({card.licence}): {card.citation}",
        "size": f"{facts.cases} images ({counts}); none was left out by the run. {known}",
        "missing": "None among the images of the run; what was left out before it is not known.",
        "reference": f"The label that came with each image: {words.listed(facts.metrics.class_names)}.",
        "masks": _masks(facts),
        "folds": f"{len(folds.folds)} {folds.kind} folds, seed {folds.seed}; each image tested once (folds.json).",
        "groups": f"{apart}. {words.siblings(facts.metrics.result)}".strip(),
        "siblings": words.siblings(facts.metrics.result),
        "balance": f"Nothing was resampled; balanced accuracy is given beside accuracy. Images: {counts}.",
    }


def _masks(facts: Facts) -> str:
    found = facts.metrics.masks
    return " ".join(filter(None, (words.made_masks(found) if found else "", facts.masks)))


def _method(facts: Facts) -> dict[str, str]:
    settings, environment = facts.settings, facts.environment
    network, images, training = (_part(settings, name) for name in ("network", "images", "training"))
    versions = ", ".join(f"{name} {environment[name]}" for name in _SOFTWARE if environment.get(name))
    side = images.get("size")
    trained = facts.metrics.method != "probe"
    augmentation = {name: value for name, value in _part(settings, "augmentation").items() if value}
    return {
        "method": f"{'Deep learning' if trained else 'Machine learning'}: {words.method(facts.metrics.method)}.",
        "preparation": f"Cropped by {images.get('crop')}, resized to {side} x {side} pixels." if side else "",
        "model": _model(facts, network),
        "weights": f"{network.get('weights')}".replace("\\", "/").rpartition("/")[2] if network else "",
        "software": f"{versions}; {environment.get('system')}" if versions else "",
        "training": _trained(training, augmentation) if trained and training and not facts.metrics.selected else "",
        "selection": _selection(facts),
        "output": f"A probability for each class; the class with the largest is the answer. {_threshold(facts)}",
        "recalibration": _recalibration(facts),
        "explanation": _EXPLAINED if facts.explained else "",
        "protocol": "protocol.yaml in the run's folder, with everything resolved.",
        "availability": f"{'Weights of every fold, protocol' if trained else 'Protocol'}, folds and answers are in the "
        "run's folder.",
    }


_SOFTWARE = ("cvs-med", "python", "torch", "monai", "scikit-learn", "numpy")
_EXPLAINED = (
    "For each image, a map with every pixel's exact share of the class score, and of its lead over the runner-up "
    "(overlays)."
)


def _model(facts: Facts, network: Mapping[str, Any]) -> str:
    if facts.metrics.selected:
        return f"One of {words.listed(list(facts.metrics.selected), 'or')}; what each is stands in candidates/."
    return f"{words.method(facts.metrics.method)} on {network.get('backbone')}." if network else ""


def _selection(facts: Facts) -> str:
    if facts.metrics.selected:
        return "Each fold chose one protocol by cross-validation inside its training part (selection.json)."
    if not facts.losses:
        return ""
    return (
        "The model of the last epoch. This run made no choice by its test images; how its protocol was found, it "
        "cannot know."
    )


def _threshold(facts: Facts) -> str:
    found = facts.metrics.decided
    if found is None or found.abstained is None:
        return "No threshold was chosen."
    return (
        "Below a threshold of confidence the image goes to a human; it was chosen inside each training part, to keep "
        f"wrong answers at {words.percent(found.abstained.risk)} there."
    )


def _recalibration(facts: Facts) -> str:
    found = facts.metrics.decided
    if found is None or found.calibrated is None:
        return "None: the probabilities are as the network gave them."
    return (
        "A temperature fitted inside each training part; raw and calibrated probabilities are both given, and no "
        "answer changes its class."
    )


def _trained(training: Mapping[str, Any], augmentation: Mapping[str, Any]) -> str:
    said = ", ".join(f"{name} {_plain(value)}" for name, value in augmentation.items()) or "none"
    return (
        f"{training.get('optimiser')}, learning rate {training.get('learning_rate')}, {words.length(training)}, "
        f"{words.batch(training)}; augmentation: {said}."
    )


def _internal(facts: Facts) -> str:
    if facts.pooled:
        return "Cross-validation on one data set; images of other folders were learnt from too, and none was tested."
    return "Cross-validation on one data set; training and test images are of the same source."


def _plain(value: Any) -> str:  # noqa: ANN401 - what YAML can hold
    return words.listed([str(each) for each in value]) if isinstance(value, list) else str(value)


def _results(facts: Facts) -> dict[str, str]:
    result = facts.metrics.result
    classes = "; ".join(
        f"{each.name}: sensitivity {words.counted(each.sensitivity)} ({words.interval(each.sensitivity)}), "
        f"specificity {words.counted(each.specificity)} ({words.interval(each.specificity)})"
        for each in result.classes
    )
    wrong = [p.case_id for p in facts.predictions if p.predicted != p.label]
    few = words.listed(wrong) if len(wrong) <= 20 else f"{len(wrong)} images"
    return {
        "measures": "Accuracy, balanced accuracy, sensitivity, specificity, AUROC per fold, Brier score, calibration "
        "error, risk and coverage; Dice where there are reference masks.",
        "uncertainty": f"95 % Wilson intervals{_by_group(facts)}; paired sign-flip tests by group, Holm. "
        f"{facts.metrics.interval_caveat}",
        "performance": f"{words.sentence(result.accuracy)} right; mean AUROC of the folds "
        f"{words.number(result.mean_auroc)} (95 %: {words.ends(result.intervals.mean_auroc)}). "
        f"{words.beside_baselines(facts.metrics, facts.differences)}".strip(),
        "classes": f"{classes}.",
        "failures": f"Wrong: {few}; shown in report.html, the largest errors first." if wrong else "None was wrong.",
        "internal": _internal(facts),
        "external": "Not done.",
        "audit": _audited(facts),
        "limits": " ".join(limitations(facts)),
    }


def _by_group(facts: Facts) -> str:
    return ", of the accuracy one that counts groups too" if facts.metrics.result.by_group else ""


def _audited(facts: Facts) -> str:
    if facts.audit is None:
        return ""
    found = [each.probe for each in facts.audit.graded("found")]
    told = f"the label can be guessed from {words.listed(found)}" if found else "no shortcut was found"
    if carriers := [each.probe for each in facts.audit.graded("carrier")]:
        told += f"; the date or the camera is carried into the pixels by {words.listed(carriers)}"
    return f"Shortcut audit of the data set: {told}."


def _part(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = settings.get(name)
    return found if isinstance(found, dict) else {}
