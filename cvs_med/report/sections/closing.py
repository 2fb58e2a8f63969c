"""What the run cannot say, and how to have it again."""

from cvs_med.report import figures, words
from cvs_med.report.document import Block, Bullets, Code, Picture, Section, Table, Text
from cvs_med.report.facts import Facts

_FEW = 200
"""Images below which an interval of 95 % is wider than 10 points at 80 % right."""


def limits(facts: Facts) -> Section:
    """List what a reader must keep in mind."""
    items = [("", text) for text in limitations(facts)]
    return Section("limits", "Limits", (Bullets(tuple(items)),))


def limitations(facts: Facts) -> list[str]:
    """Say each limit in a sentence."""
    metrics = facts.metrics
    ends = words.interval(metrics.result.accuracy)
    if grouped := metrics.result.by_group:
        ends += f"; counting groups, {100 * grouped.interval.low:.1f} to {100 * grouped.interval.high:.1f} %"
    few = f"{facts.cases} images are few. " if facts.cases < _FEW else ""
    said = [f"{few}The 95 % interval of the accuracy is {ends}. What is said of one class rests on fewer images."]
    siblings = words.siblings(metrics.result) or (
        "No groups are known: images of one patient may be on both sides of a split, which flatters every method."
    )
    said += [metrics.interval_caveat, siblings]
    said.append("One deal of the folds and one seed: other folds give other counts. Repeat the run with other seeds.")
    if facts.audit is None:
        said.append("The data set was not audited: whether the label can be guessed without the disease is not known.")
    elif found := [each.probe for each in facts.audit.graded("found")]:
        said.append(
            f"The label can be guessed from what is not the disease, or need not be: {words.listed(found)}. This run "
            "does not show that the network did not use it."
        )
        if carriers := [each.probe for each in facts.audit.graded("carrier")]:
            told = words.listed(carriers)
            said.append(f"The date or the camera, which gives the label away, is in the pixels too: {told}.")
    come = "All images that were tested come" if facts.pooled else "All images come"
    said.append(f"{come} from one data set: nothing here says how well it works elsewhere.")
    return [*said, "For research; not a medical device."]


def repeat(facts: Facts) -> Section:
    """Give the command, the learning curves and the machine."""
    blocks: list[Block] = [
        Code("Command", facts.command),
        Text(
            "The resolved protocol is protocol.yaml, the folds are in folds.json, every answer in predictions.csv, "
            "what was measured in metrics.json, the audit in audit.json; the paired tests are in this report as JSON."
        ),
    ]
    if facts.losses:
        figure = figures.learning(facts.losses)
        blocks.append(Picture(figure, f"{figure.title}."))
    rows = tuple(
        (name, "not known" if value is None else str(value))
        for name, value in facts.environment.items()
        if name != "command"
    )
    blocks.append(Table("Environment", ("what", "value"), rows, prose=True))
    return Section("repeat", "How to repeat it", tuple(blocks))
