"""What only some metrics.json hold: shown where it is there, and left out where it is not."""

from collections.abc import Mapping
from typing import Any

from cvs_med.report import words
from cvs_med.report.document import Block, Table, Text
from cvs_med.statistics.metrics import Proportion


def accuracy_by_group(metrics: Mapping[str, Any]) -> list[Block]:
    """Give the interval that respects groups, how far from balanced the folds are, and what they chose."""
    said = []
    if chosen := metrics.get("selected"):
        named = ", ".join(f"{name} in {count}" for name, count in chosen.items())
        said.append(f"Of {sum(chosen.values())} folds, each chose its protocol inside its training part: {named}.")
    if grouped := metrics["result"].get("by_group"):
        low, high = (f"{100 * end:.1f}" for end in grouped["interval"])
        said.append(
            f"With the {grouped['groups']} groups as what was drawn, rather than single images, the 95 % interval of "
            f"the accuracy is {low} to {high} %."
        )
    if balance := metrics.get("balance"):
        said.append(
            f"The fold furthest from balanced is fold {balance['fold']}: its number of {balance['class_name']} images "
            f"is {balance['largest_deviation']:.1f} away from the fold's share."
        )
    return [Text(" ".join(said))] if said else []


def predictive_values(metrics: Mapping[str, Any]) -> list[Block]:
    """Give the predictive values of each class, with the prevalence that they hold for."""
    classes = metrics["result"]["classes"]
    if not all("positive_predictive_value" in each for each in classes):
        return []
    rows = tuple(
        (
            each["name"],
            _share(each["positive_predictive_value"]["value"]),
            _share(each["negative_predictive_value"]["value"]),
            words.percent(each["positive_predictive_value"]["prevalence"]),
        )
        for each in classes
    )
    caption = "Predictive values, with 95 % intervals. They hold for the prevalence among these images, and no other"
    header = ("class", "positive predictive value", "negative predictive value", "prevalence")
    return [Table(caption, header, rows)]


def centrelines(metrics: Mapping[str, Any], seen: str) -> list[Block]:
    """Give the overlap of the centrelines."""
    found = metrics["result"].get("centreline_dice")
    if not found:
        return []
    return [
        Text(
            f"Centreline Dice of the {seen}: {found['mean']:.3f} on average ({found['low']:.3f} to {found['high']:.3f} "
            f"over {found['cases']} images): how much of each centreline lies in the other mask."
        )
    ]


def _share(proportion: Mapping[str, Any]) -> str:
    value = Proportion(**proportion)
    return f"{words.counted(value)}\n{words.percent(value.share)}\n{words.interval(value)}"
