"""What a sweep is asked for: the protocol of each method, and the cells of the table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, TypeAlias

from cvs_med import protocol
from cvs_med.errors import ProtocolError
from cvs_med.protocol import Protocol
from cvs_med.sweep_table import Samples, ascending

Recipe: TypeAlias = Literal["paper", "same"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for.

    Attributes:
        methods: each method's protocol, by a name as `parts` takes it; all of one data set and one backbone.
        recipe: whose augmentation the methods train with, see `methods`.
        samples: numbers of training images per class.
        seeds: how many; they are 0, 1, 2 ...
        test_per_class: test images of each class; None for the whole test part.
    """

    methods: Mapping[str, Protocol]
    recipe: Recipe
    samples: Sequence[Samples]
    seeds: int
    test_per_class: int | None

    @property
    def cells(self) -> list["Cell"]:
        """All cells, those with few images first, so that a table grows row by row."""
        order = product(ascending(self.samples), range(self.seeds), self.methods)
        return [Cell(method, samples, seed) for samples, seed, method in order]


@dataclass(frozen=True, slots=True)
class Cell:
    """One training: a method, a number of samples per class, a seed."""

    method: str
    samples: Samples
    seed: int

    @property
    def title(self) -> str:
        """Say which one it is."""
        drawn = "the whole train part" if self.samples == "full" else f"{self.samples} a class"
        return f"{self.method}, {drawn}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        """Its place in the run folder."""
        draw = "full" if self.samples == "full" else f"{self.samples}-per-class"
        return Path(folder_of(self.method), draw, f"seed-{self.seed}")


def parts(name: str) -> tuple[str, str]:
    """Take a name such as `cvs(seg-10)` apart: the method, and what its masks are called; plain ones by nothing."""
    method, opened, rest = name.partition("(")
    return (method, rest.removesuffix(")")) if opened and rest.endswith(")") else (name, "")


def folder_of(name: str) -> str:
    """Name the folder of a method in a run folder: `cvs-seg-10` for `cvs(seg-10)`."""
    return "-".join(part for part in parts(name) if part)


def methods(source: str, names: Sequence[str], settings: Sequence[str], recipe: Recipe) -> dict[str, Protocol]:
    """Find the protocol of each method.

    Args:
        source: a protocol, by name or file.
        names: methods; none for that of the protocol. A method's protocol is SOURCE itself if it is of that method,
            else SOURCE-METHOD, else SOURCE with its method changed. `cvs(seg-10)` is cvs with the masks called seg-10.
        settings: changes of all of them, such as `training.epochs=3`.
        recipe: `paper` trains each method with the augmentation of its own protocol, `same` all with that of SOURCE.

    Raises:
        ProtocolError: a protocol is not valid, cannot be swept, or is of another data set or backbone than SOURCE.
    """
    first = protocol.load(source, settings)
    found = {name: _of_method(source, parts(name)[0], settings, first) for name in names or [first.method]}
    if recipe == "same":
        found = {name: each.model_copy(update={"augmentation": first.augmentation}) for name, each in found.items()}
    for name, each in found.items():
        _require_alike(name, each, first)
    return found


def _of_method(source: str, name: str, settings: Sequence[str], first: Protocol) -> Protocol:
    if name == first.method:
        return first
    own = source.removesuffix(".yaml") + f"-{name}"
    file = f"{own}.yaml" if source.endswith(".yaml") else own
    if own in protocol.catalogue() or Path(file).is_file():
        return protocol.load(file, settings)
    return protocol.load(source, [*settings, f"method={name}"])


def _require_alike(name: str, found: Protocol, first: Protocol) -> None:
    """Refuse what cannot stand in one table, and what would be computed beforehand for every test image.

    The method `transfer` computes one vector an image, no maps: with it, a frozen encoder is no burden.
    """
    trainable = found.network.trainable if name == "transfer" else "all"
    for what, own, expected in (
        ("method", found.method, parts(name)[0]),
        ("dataset", found.dataset, first.dataset),
        ("network.backbone", found.network.backbone, first.network.backbone),
        ("network.trainable", found.network.trainable, trainable),
    ):
        if own != expected:
            raise ProtocolError(f"The protocol for {name}: expected {what} {expected} in this sweep, found {own}.")
    if parts(name)[1] and not found.has_map:
        raise ProtocolError(f"Expected masks in brackets only for a method with a map, found {name}.")
    if name == "probe":
        raise ProtocolError("Expected methods that train a network, found probe. Leave it out of --methods.")
