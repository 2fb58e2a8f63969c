"""What was asked, of which data, by which protocol."""

from collections.abc import Mapping
from typing import Any

from cvs_med.report import signs, words
from cvs_med.report.document import Block, Bullets, Code, Section, Table, Text
from cvs_med.report.facts import Facts

NOT_A_DEVICE = "For research. This is not a medical device: no result here may guide the care of a patient."


def summary(facts: Facts) -> tuple[Block, ...]:
    """Give the answer before everything else."""
    right = words.sentence(facts.metrics.result.accuracy)
    return (
        Text(f"{right} were given their reference class. {words.tested(facts.differences)}".strip(), "answer"),
        Text(NOT_A_DEVICE, "notice"),
    )


def asked(facts: Facts) -> Section:
    """Say what the run was to find out."""
    classes, folds = words.listed(facts.metrics.class_names, "or"), len(facts.folds.folds)
    others = ", and those of other folders that were learnt from too" if facts.pooled else ""
    blocks = [
        Text(
            f"How well can the class of an image ({classes}) be told from {facts.cases} labelled images{others}? "
            f"Each image was tested once, in {folds}-fold cross-validation, by a model that had not been trained on it."
        )
    ]
    if facts.explained:
        beside, coloured = " alone", ""
        if names := signs.listed(facts.settings):
            beside = f" and, outside of the {facts.metrics.foreground} that it finds, from {names}"
            coloured = (
                " What these say is in the colours of the shown map too, though most of them may name another class "
                "where an answer is unsure."
            )
        blocks.append(
            Text(
                "CvS (classification via segmentation) names for every pixel either background or the class of the "
                f"whole image. The class of the image follows from this map{beside}, so each pixel's share of the "
                f"answer is known exactly.{coloured}"
            )
        )
    return Section("asked", "What was asked", tuple(blocks))


def data(facts: Facts) -> Section:
    """Describe images, classes, groups and masks."""
    card = facts.dataset
    rows = [(name, str(count), words.percent(count / facts.cases)) for name, count in facts.class_counts]
    groups = (
        f"They fall into {facts.groups} groups (patients or sittings). {_kept(facts.folds.kind)}"
        if facts.groups
        else "Which images belong to one patient is not known: if some do, every number here flatters."
    )
    blocks: list[Block] = [
        Text(f"{card.title}: {facts.cases} images. {groups}"),
        Table("Images by reference class", ("class", "images", "share"), tuple(rows)),
    ]
    if facts.metrics.masks:
        blocks.append(
            Text(
                f"{words.made_masks(facts.metrics.masks)} No other reference mask was learnt from; those of tested "
                "images, and of training images that were not drawn, serve to measure alone.",
                "notice",
            )
        )
    if facts.masks:
        blocks.append(Text(f"{facts.masks} They stand in for masks by experts.", "notice"))
    elif facts.metrics.result.dice_working:
        blocks.append(Text(f"The reference masks show the {card.foreground}."))
    if card.notes:
        blocks.append(Text("What is peculiar about these data, as far as it is known:"))
        blocks.append(Bullets(tuple(("", note) for note in card.notes)))
    blocks.append(Text(f"Licence: {card.licence}. Source: {card.citation}"))
    return Section("data", "Data and groups", tuple(blocks))


def _kept(kind: str) -> str:
    if kind == "grouped":
        return "All images of a group were tested in the same fold."
    return f"The folds were {kind}: images of one group may have been on both sides of a split."


def protocol(facts: Facts) -> Section:
    """Say how it was done."""
    sizes = words.listed([str(size) for size in sorted({len(fold) for fold in facts.folds.folds})], "or")
    folds = len(facts.folds.folds)
    said = f"{folds} {facts.folds.kind} folds, seed {facts.folds.seed}, with {sizes} test images each."
    if facts.losses:
        said += (
            " The model after the last epoch is the one that is tested: no fold chose its stopping point on its own "
            "test images."
        )
    known = [(name, value) for name, value in _settings(facts.settings) if value]
    blocks: list[Block] = [Text(said)]
    if facts.metrics.selected:
        blocks.append(_choice(facts.metrics.selected))
    elif known:
        blocks.append(Table("What was trained", ("setting", "value"), tuple(known), prose=True))
    whole = (
        "protocol.yaml, whole; what it trains is one of the candidates"
        if facts.metrics.selected
        else ("protocol.yaml, whole")
    )
    blocks.append(Code(whole, facts.protocol, folded=True))
    return Section("protocol", "Protocol", tuple(blocks))


def _choice(selected: Mapping[str, int]) -> Table:
    """Say what each fold could train, and how many trained it."""
    rows = tuple((name, str(count), f"candidates/{name}/protocol.yaml") for name, count in selected.items())
    return Table("What each fold chose from, inside its training part", ("protocol", "folds", "in the folder"), rows)


def _settings(settings: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - what YAML can hold
    """Pick what a reader wants to know first; a field that is not there stays empty."""

    def value(*path: str) -> str:
        found = _field(settings, *path)
        return "" if found is None else str(found)

    weights = value("network", "weights").replace("\\", "/").rpartition("/")[2]
    side, training = value("images", "size"), settings.get("training") if isinstance(settings, dict) else None
    rows = [("method", words.method(value("method"))), ("encoder", value("network", "backbone"))]
    rows += [("pretrained weights", weights), ("image size", f"{side} x {side} pixels" if side else "")]
    if value("method") == "probe":
        return rows
    rows += [("what was trained", {"head": "the head, on a frozen encoder"}.get(value("network", "trainable"), "all"))]
    return [
        *rows,
        ("beside the map", signs.listed(settings)),
        ("finer scale", _finer_stage(settings)),
        ("length", words.length(training) if isinstance(training, dict) else ""),
        ("batch", words.batch(training) if isinstance(training, dict) else ""),
        ("optimiser", value("training", "optimiser")),
        ("learning rate", value("training", "learning_rate")),
    ]


def _finer_stage(settings: Any) -> str:  # noqa: ANN401 - what YAML can hold
    """Say how the stage was trained that draws the foreground, if there is one."""
    if _field(settings, "network", "decoder") != "fine":
        return ""
    return f"foreground trained first, by {_field(settings, 'fine', 'steps')} steps on tiles"


def _field(settings: Any, *path: str) -> Any:  # noqa: ANN401 - what YAML can hold
    """Give a field of settings; None where it is not there."""
    for name in path:
        settings = settings.get(name) if isinstance(settings, dict) else None
    return settings
