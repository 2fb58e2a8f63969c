"""The paper's Seg-M inside one training part: M masks of each class are learnt from, and the others made from them.

Mojab, Yu, Hallak, Yi: "CvS: Classification via Segmentation For Small Datasets", arXiv 2111.00042, III-C. What comes
back is a `Setup` in which only the cases of the training part have masks, drawn or made. So nothing that is trained on
it can see another reference mask, be it of a test case or of a training case that was not drawn.

The folder `masks` of a fold holds masks.csv (who was drawn, how sure the network was of the rest), the masks that were
made as PNGs at the network's size, exactly as they are learnt from, and the history of the network that made them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from cvs_med import checkpoints
from cvs_med.datasets import masks
from cvs_med.errors import DataError, Problem
from cvs_med.evaluation.made_masks import FOLDER, TABLE
from cvs_med.folds import source_of, train_network
from cvs_med.images import Mask, read_mask
from cvs_med.inference import enlarged, predict_foreground
from cvs_med.observers import Inside
from cvs_med.propagation.mask_folder import confidence, most_probable
from cvs_med.protocol import Protocol
from cvs_med.setup import Setup, require_foreground, timed
from cvs_med.splits import spread_over_groups
from cvs_med.statistics.metrics import dice
from cvs_med.tables import MaskRow, write_masks
from cvs_med.training import steps_of
from cvs_med.types import OwnFile

_OTHER_CHANCE = 2**20
"""Added to the number of a fold: its two networks begin from different weights."""


def require_enough(setup: Setup, parts: Sequence[Sequence[int]]) -> None:
    """Check before anything is trained that every training part has the masks to draw, and foreground in them.

    Args:
        setup: of all cases, with all masks that there are; `masks.per_class` says how many are drawn.
        parts: the training part of each fold.

    Raises:
        DataError: some have too few of a class (with the numbers of each fold), or a class would have no foreground.
    """
    wanted, names = _wanted(setup), setup.dataset.class_names
    counts = [Counter(setup.cases[case].label for case in _masked(setup, part)) for part in parts]
    found = {name: [count[label] for count in counts] for label, name in enumerate(names)}
    least = min(min(numbers) for numbers in found.values())
    remedy = f"Draw more masks, ask for more folds, or for --masked-per-class {least}."
    if not least:
        remedy = "Draw more masks, or ask for stratified splits or more folds."
    problems = [
        Problem(
            f"class '{name}'",
            f"at least {wanted} cases with a mask in the training part of each fold",
            ", ".join(map(str, numbers)),
            remedy,
        )
        for name, numbers in found.items()
        if min(numbers) < wanted
    ]
    if problems:
        raise DataError(problems)
    for number, part in enumerate(parts):
        require_foreground(showing(setup, draw(setup, number, part)))


def draw(setup: Setup, number: int, train: Sequence[int]) -> list[int]:
    """Draw the M cases of each class whose masks a fold may learn from, of as many groups as there are."""
    position = {setup.cases[case].id: case for case in _masked(setup, train)}
    known = [setup.cases[case] for case in position.values()]
    seed = setup.protocol.splits.seed, number
    return [position[name] for name in spread_over_groups(known, _wanted(setup), seed)]


def showing(setup: Setup, cases: Sequence[int]) -> Setup:
    """Take every mask away but those of some cases."""
    shown, photographs = set(cases), setup.photographs
    known = photographs.with_references(dict(zip(cases, photographs.reference(cases), strict=True)))
    everyone = range(len(setup.cases))
    has_mask = tuple(number in shown for number in everyone)
    left = [setup.cases[number] if has_mask[number] else replace(setup.cases[number], mask=None) for number in everyone]
    return replace(setup, cases=left, photographs=replace(known, has_mask=has_mask))


def taught(setup: Setup, folder: Path, number: int, train: Sequence[int]) -> Setup:
    """Give what a fold may be trained on: M masks of each class, and those that a network made from them.

    Args:
        setup: what the folds share, with all masks that there are.
        folder: the fold's folder; masks in it that are finished are read.
        number: of the fold, from zero.
        train: its training part, as positions in `setup.cases`.

    Returns:
        The same with the masks of these cases alone.

    Raises:
        DataError: a mask that was made cannot be read.
        RunError: the training failed.
    """
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    drawn = draw(setup, number, train)
    known, rest = showing(setup, drawn), [case for case in train if case not in set(drawn)]
    if not (place / TABLE).exists():
        _propagate(setup, known, place, number, drawn, rest)
    return _with_made(known, place, rest)


def _wanted(setup: Setup) -> int:
    return setup.protocol.masks.per_class or 0


def _masked(setup: Setup, part: Sequence[int]) -> list[int]:
    return [case for case in part if setup.cases[case].mask is not None]


def _propagate(setup: Setup, known: Setup, place: Path, number: int, drawn: Sequence[int], rest: Sequence[int]) -> None:
    """Train on the drawn masks, and make one for each other case of the training part."""
    setup.observer.stage(f"Fold {number + 1}: {len(drawn)} masks to learn from, {len(rest)} to be made")
    settings = _of_the_maker(known.protocol, len(drawn) + len(rest))
    observer = Inside(setup.observer, lambda epoch: setup.observer.counted(epoch.number + 1, epoch.epochs))
    learning = replace(known, protocol=settings, observer=observer)
    network = train_network(learning, place, number + _OTHER_CHANCE, drawn)
    source = source_of(learning, network, settings.augmentation)
    rows = [_given(setup, case) for case in drawn]
    with timed(setup.seconds, "masks"):
        for done, case in enumerate(rest, start=1):
            foreground = predict_foreground(
                network, source, [case], device=setup.fabric.device, precision=setup.precision
            )[0]
            alike = [other for other in drawn if setup.labels[other] == setup.labels[case]]
            mask = cut(foreground, known.photographs.reference(alike) >= 128)
            masks.save(place, setup.cases[case].id, mask)
            rows.append(_made(setup, case, mask, foreground))
            setup.observer.counted(done, len(rest))
    write_masks(place / TABLE, rows)
    checkpoints.remove(place / checkpoints.FILE)


def _of_the_maker(protocol: Protocol, cases: int) -> Protocol:
    """Give the protocol of the network that makes masks: that of the final one, with as many steps unless it says.

    Epochs would be steps by the number of masks, and a few masks would be learnt in next to no steps.
    """
    steps = protocol.masks.steps or steps_of(protocol.training, cases)
    return protocol.model_copy(update={"training": protocol.training.model_copy(update={"steps": steps})})


def cut(foreground: Tensor, learnt: Tensor) -> Mask:
    """Cut a mask (S, S) out where foreground is more probable than background.

    Where nothing is, the most probable pixels are taken, as many as the masks of that class have in the mean; but a
    class of which an empty mask was drawn may have empty ones, and one of which no other was drawn has no others.

    Args:
        foreground: (S, S) or finer, its probability.
        learnt: (K, S, S) or as fine, the masks drawn of the same class.
    """
    covered = learnt.flatten(1).any(dim=1)
    found: Mask = (foreground.numpy() >= 0.5) & bool(covered.any())
    if found.any() or not covered.all():
        return found
    return most_probable(foreground.numpy(), float(learnt.double().mean()))


def _given(setup: Setup, case: int) -> MaskRow:
    fraction = float((setup.photographs.foreground[case] >= 128).double().mean())
    return MaskRow(setup.cases[case].id, "given", None, fraction, None)


def _made(setup: Setup, case: int, mask: Mask, foreground: Tensor) -> MaskRow:
    """Say how sure the network is, and how well a made mask fits the reference, which is looked at for nothing else."""
    photographs = setup.photographs
    seen = photographs.field_of_view[case] >= 128
    overlap = None
    if photographs.has_mask[case]:
        reference = photographs.reference([case])[0] >= 128
        overlap = dice(mask, reference.numpy(), enlarged(seen, reference).numpy())
    source = "guessed" if mask.any() and not (foreground >= 0.5).any() else "propagated"
    return MaskRow(setup.cases[case].id, source, confidence(foreground, seen), float(mask.mean()), overlap)


def _with_made(known: Setup, place: Path, rest: Sequence[int]) -> Setup:
    """Add the masks that were made, as their files hold them."""
    photographs = known.photographs
    given = [case for case, has_mask in enumerate(photographs.has_mask) if has_mask]
    found = dict(zip(given, photographs.reference(given), strict=True))
    side = photographs.reference(given).shape[-1]
    for case in rest:
        file = OwnFile(place / f"{known.cases[case].id}.png", empty="allowed")
        found[case] = torch.from_numpy(read_mask(file, (side, side))).byte() * 255
    return replace(known, photographs=photographs.with_references(found))
