"""What stands beside the accuracy: groups, balance, predictive values, centrelines and outlines."""

from cvs_med.evaluation import RunMetrics
from cvs_med.report import words
from cvs_med.report.document import Block, Table, Text
from cvs_med.statistics.metrics import Proportion


def accuracy_by_group(metrics: RunMetrics) -> list[Block]:
    """Give the interval that respects groups, how far from balanced the folds are, and what they chose."""
    said = []
    if metrics.selected:
        named = ", ".join(f"{name} in {count}" for name, count in metrics.selected.items())
        folds = sum(metrics.selected.values())
        said.append(f"Of {folds} folds, each chose its protocol inside its training part: {named}.")
    if grouped := metrics.result.by_group:
        low, high = (f"{100 * end:.1f}" for end in grouped.interval)
        said.append(
            f"With the {grouped.groups} groups as what was drawn, rather than single images, the 95 % interval of "
            f"the accuracy is {low} to {high} %."
        )
    balance = metrics.balance
    if round(balance.largest_deviation, 1):
        said.append(
            f"The fold furthest from balanced is fold {balance.fold}: its number of {balance.class_name} images "
            f"is {balance.largest_deviation:.1f} away from the fold's share."
        )
    return [Text(" ".join(said))] if said else []


def predictive_values(metrics: RunMetrics) -> list[Block]:
    """Give the predictive values of each class, with the prevalence that they hold for."""
    rows = tuple(
        (
            each.name,
            share(each.positive_predictive_value.value),
            share(each.negative_predictive_value.value),
            words.percent(each.positive_predictive_value.prevalence),
        )
        for each in metrics.result.classes
    )
    caption = "Predictive values, with 95 % intervals. They hold for the prevalence among these images, and no other"
    return [Table(caption, ("class", "positive predictive value", "negative predictive value", "prevalence"), rows)]


def lines_or_outlines(metrics: RunMetrics) -> list[Block]:
    """Give the overlap of the centrelines, or the distance of the outlines."""
    if found := metrics.result.centreline_dice:
        said = f"Centreline Dice of the {metrics.foreground}: {words.spread(found)}"
        return [Text(f"{said}: how much of each centreline lies in the other mask.")]
    if found := metrics.result.outline_distance:
        said = f"95 % Hausdorff distance of the {metrics.foreground}, in pixels of the network's size: "
        told = "how near 95 % of each outline are to the other; the image's diagonal where only one mask is empty."
        return [Text(f"{said}{found.mean:.1f} on average ({found.low:.1f} to {found.high:.1f}): {told}")]
    return []


def share(proportion: Proportion) -> str:
    """Say a proportion in three lines of a cell: its count, its percentage, its interval."""
    return f"{words.counted(proportion)}\n{words.percent(proportion.share)}\n{words.interval(proportion)}"
