"""Nested cross-validation: which of several protocols is trained on a training part is decided inside that part."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cvs_med.combinations import require_all_masks
from cvs_med.errors import ProtocolError
from cvs_med.inner import inner_answers
from cvs_med.protocol import Protocol, dump, load
from cvs_med.protocol_sections import Inner, Splits
from cvs_med.setup import Setup
from cvs_med.types import Prediction

_LEAST = 1e-12
"""A probability of zero for what then happens would have an infinite loss."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """How a protocol answered inside one training part.

    Attributes:
        name: of the protocol.
        right: cases given their reference class.
        n: cases of the training part.
        log_loss: mean negative logarithm of the probability given to the reference class.
    """

    name: str
    right: int
    n: int
    log_loss: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for one outer fold, and from what."""

    fold: int
    chosen: str
    candidates: tuple[Candidate, ...]


def candidates(sources: Sequence[str], settings: Sequence[str] = ()) -> dict[str, Protocol]:
    """Load the protocols to choose from.

    Args:
        sources: names of the catalogue or files; a candidate is called by the last part, without its ending.
        settings: changes of all of them, such as `splits.seed=1`.

    Raises:
        ProtocolError: one is not valid, there are fewer than two, two have one name, or they ask for different data
            sets, splits, or decisions of their own.
    """
    loaded = [(Path(source).name.removesuffix(".yaml"), load(source, settings)) for source in sources]
    found = dict(loaded)
    if len(found) < 2 or len(found) < len(loaded):
        raise ProtocolError(f"Expected two or more protocols of different names, found {', '.join(sources)}.")
    first_name, first = loaded[0]
    for name, protocol in loaded:
        for what in ("dataset", "also_train", "splits", "inner"):
            if getattr(protocol, what) != getattr(first, what):
                raise ProtocolError(
                    f"Expected the same `{what}` in all protocols, found another in {name} than in {first_name}. "
                    "What is given as an option counts for all of them."
                )
    require_all_masks(found.values(), "--select, whose inner folds would each need masks of their own")
    if first.inner.select:
        raise ProtocolError(f"Expected protocols that choose nothing themselves, found inner.select in {first_name}.")
    return found


def selecting(found: Mapping[str, Protocol]) -> Protocol:
    """Write the choice between protocols as a protocol: the first of them, with the checksums of all."""
    digests = {name: hashlib.sha256(dump(_alone(each)).encode()).hexdigest() for name, each in found.items()}
    first = next(iter(found.values()))
    return first.model_copy(update={"inner": first.inner.model_copy(update={"select": digests})})


def choose(setups: Mapping[str, Setup], folder: Path, fold: int, train: Sequence[int]) -> Choice:
    """Choose the protocol with most right answers inside a training part; of equals that with the lower log loss.

    Args:
        setups: what the folds share, for each candidate.
        folder: where the inner answers of each candidate lie, or will.
        fold: number of the outer fold.
        train: its training part. Nothing else is looked at.
    """
    rated = []
    for name, setup in setups.items():
        setup.observer.stage(f"Fold {fold + 1}: what {name} answers inside the training part")
        rated.append(_rate(name, inner_answers(setup, folder / name, fold, train)))
    # min keeps the first of equals, which is the order they were listed in.
    return Choice(fold, min(rated, key=lambda each: (-each.right, each.log_loss)).name, tuple(rated))


def record(choices: Sequence[Choice]) -> dict[str, Any]:
    """Give what selection.json holds: how often each was chosen, and every choice."""
    listed = [candidate.name for candidate in choices[0].candidates]
    counts = Counter(choice.chosen for choice in choices)
    return {"chosen": {name: counts[name] for name in listed}, "folds": [asdict(choice) for choice in choices]}


def _alone(protocol: Protocol) -> Protocol:
    """Give a protocol without what belongs to the run: its splits and what is decided inside."""
    return protocol.model_copy(update={"splits": Splits(), "inner": Inner()})


def _rate(name: str, answers: Sequence[Prediction]) -> Candidate:
    given = np.array([max(answer.probabilities[answer.label], _LEAST) for answer in answers])
    right = sum(answer.predicted == answer.label for answer in answers)
    return Candidate(name, right, len(answers), float(-np.log(given).mean()))
