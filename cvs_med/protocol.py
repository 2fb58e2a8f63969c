"""A protocol: one experiment as a file, every field checked before any data is read."""

import os
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from cvs_med import backbones, strict_yaml
from cvs_med.errors import ProtocolError
from cvs_med.protocol_errors import Fault, explain, located
from cvs_med.protocol_sections import (
    Augmentation,
    Fine,
    Images,
    Inner,
    Loss,
    Masks,
    Network,
    Probe,
    Section,
    Splits,
    Training,
    Transfer,
)

REPORTED = "reported.yaml"
"""The one file among the protocols that is none: what was published, see `reported`."""

_NOT_YAML = (yaml.YAMLError, ValueError, AttributeError, RecursionError)
"""What PyYAML raises: the last three for impossible dates and numbers, a wrong !!timestamp, and endless brackets."""


class Protocol(Section):
    """One experiment."""

    dataset: str = Field(min_length=1)
    also_train: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="folders whose images join every training part"
    )
    method: Literal["cvs", "classification", "multitask", "probe", "transfer"] = "cvs"
    q: Literal["mean", "probability", "foreground"] = Field("mean", description="how the map gives the class")
    within: Literal["image", "field_of_view"] = Field("field_of_view", description="pixels that give the class")
    images: Images = Images()
    network: Network = Network()
    fine: Fine = Fine()
    augmentation: Augmentation = Augmentation()
    loss: Loss = Loss()
    training: Training = Training()
    probe: Probe = Probe()
    transfer: Transfer = Transfer()
    masks: Masks = Masks()
    splits: Splits = Splits()
    inner: Inner = Inner()

    @model_validator(mode="after")
    def _fields_agree(self) -> "Protocol":
        faults = [
            *self._of_the_backbone(), *self._of_the_fine_decoder(), *self._of_the_method(), *self._of_the_training(),
        ]  # fmt: skip
        if faults:
            raise located(self, faults)
        return self

    def _of_the_backbone(self) -> Iterator[Fault]:
        """List what this backbone does not have."""
        settings, backbone = self.network, backbones.find(self.network.backbone)
        name, finest = backbone.name, backbone.levels - 1
        if not backbone.fits(self.images.size):
            yield "images.size", f"expected {backbone.sizes} with {name}"
        if settings.weights == "imagenet" and not backbone.published:
            yield "network.weights", f"expected, with {name}, {backbone.weights}"
        if settings.output_stride != 32 and not backbone.dilates:
            yield "network.output_stride", f"expected 32 with {name}, whose stride cannot be changed"
        if settings.dropout and not backbone.widening:
            yield "network.dropout", f"expected 0 with {name}: only a Wide-ResNet has dropout"
        reads = self.has_map and settings.decoder in ("skip", "fine")
        if reads and max(*settings.levels, *settings.context, 0) > finest:
            yield "network", f"expected levels and context of 0 to {finest} with {name}"
        if self.probe.level > finest:
            yield "probe.level", f"expected 0 to {finest} with {name}"
        if self.method == "transfer" and self.transfer.level > finest:
            yield "transfer.level", f"expected 0 to {finest} with {name}"

    def _of_the_fine_decoder(self) -> Iterator[Fault]:
        """List what a stage at a finer scale cannot do without."""
        if self.network.decoder != "fine" or not self.has_map:
            return
        if self.method != "cvs":
            yield "network.decoder", f"expected fine only with `method: cvs`, found {self.method}"
        if self.network.trainable == "all" or not self.network.context:
            yield "network.decoder", "expected fine only with `network.trainable: head` and a `network.context`"
        if self.images.finer < 2:
            yield "images.finer", "expected 2 or more with `network.decoder: fine`, which works on that square"
        if self.augmentation.turn:
            yield "augmentation.turn", "expected 0 with `network.decoder: fine`, whose pixels cannot be turned"
        halved = 2 ** (len(self.fine.widths) - 1)
        if self.fine.tile % halved or self.images.size % halved:
            yield "fine.widths", "expected images.size and fine.tile that can be halved once for each width but one"

    def _of_the_method(self) -> Iterator[Fault]:
        """List what this method cannot use or cannot do without."""
        if self.has_map and backbones.find(self.network.backbone).family == "lenet":
            yield "method", "expected classification or probe with lenet5, which has no decoder"
        if self.method == "multitask" and not (self.loss.map_weight and self.loss.class_weight):
            yield "loss", "expected map_weight and class_weight above zero with the two heads of `method: multitask`"
        if self.images.finer and self.method == "cvs" and self.q == "probability":
            yield "images.finer", "expected 0 with `q: probability`, to which the logits of spots cannot be added"
        if self.images.fibres and self.method == "cvs":
            yield from self._of_the_fibres()
        if self.masks.per_class and not self.has_map:
            yield "masks.per_class", "expected it only with `method: cvs` or multitask, which learn a map from masks"
        if self.masks.per_class and self.inner.decides:
            yield "masks.per_class", "expected nothing decided by inner folds, which would need masks of their own"
        if self.also_train and self.masks.per_class:
            yield "also_train", "expected none with masks.per_class, whose masks are drawn from one data set"
        if self.also_train and self.method == "transfer":
            yield "also_train", "expected none with `method: transfer`, which has its own other images"
        mixes = self.augmentation.mixup > 0 or self.training.schedule == "hyperrule"
        if mixes and (self.method, self.network.trainable) != ("classification", "all"):
            where = "augmentation.mixup" if self.augmentation.mixup else "training.schedule"
            yield where, "expected mixup and hyperrule only with `method: classification` and `network.trainable: all`"
        if self.augmentation.mixup and self.training.schedule == "hyperrule":
            yield "augmentation.mixup", "expected 0 with `training.schedule: hyperrule`, which sets it"

    def _of_the_fibres(self) -> Iterator[Fault]:
        """List what nerve fibres cannot be compared with."""
        if self.q == "probability":
            yield "images.fibres", "expected false with `q: probability`, to which the logits of signs cannot be added"
        if self.network.trainable == "all" or self.augmentation.turn:
            yield "images.fibres", (
                "expected false where photographs are turned or changed: only with `network.trainable: head` and "
                "`augmentation.turn: 0` is above still above"
            )

    def _of_the_training(self) -> Iterator[Fault]:
        """List what cannot be trained."""
        changes = self.augmentation
        moves = changes.zoom or changes.shift or changes.colour or changes.noise or changes.crops
        if self.network.trainable == "head" and moves:
            yield "augmentation", (
                "expected only flip and turn with `network.trainable: head`, whose features are computed once; found "
                "zoom, shift, colour, noise or a crop"
            )
        if self.network.trainable == "all" and self.network.context:
            yield "network.context", "expected it only with `network.trainable: head`, a frozen encoder"
        stride = backbones.find(self.network.backbone).stride(self.network.output_stride)
        if 1 in (self.training.batch_size, *self.training.smaller_batches.values()) and self.images.size == stride:
            yield "training.batch_size", (
                f"expected at least 2 where the coarsest map of {self.images.size} pixels is a single cell: batch norm "
                "has no variance of one value"
            )

    @property
    def preparation(self) -> dict[str, Any]:
        """How photographs are prepared; see `cache.load`. Signs are looked for where a method reads them."""
        signs = {} if self.method == "cvs" else {"finer": 0, "fibres": False}
        return {**self.images.model_dump(), **signs, "fine": self.has_map and self.network.decoder == "fine"}

    @property
    def has_map(self) -> bool:
        """Whether the network answers with a map."""
        return self.method in ("cvs", "multitask")

    @property
    def trains_network(self) -> bool:
        """Whether a network is trained, rather than a regression fitted to what an encoder gives."""
        return self.method != "probe" and (self.method, self.network.trainable) != ("transfer", "head")


def catalogue() -> dict[str, Path]:
    """List the protocols that come with the package, by name such as `hrf` or `paper/hrf-resnet101`."""
    root = folder()
    found = [path for path in sorted(root.rglob("*.yaml")) if path != root / REPORTED]
    return {str(path.relative_to(root).with_suffix("")): path for path in found}


def load(source: str, settings: Sequence[str] = ()) -> Protocol:
    """Read a protocol and change single fields of it.

    Args:
        source: a name of the catalogue, or a file.
        settings: changes such as `training.epochs=3`; the value is read as YAML.

    Raises:
        ProtocolError: the file or a field is not valid; the message names the line and what is allowed.
    """
    path = _find(source)
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = strict_yaml.parse(text)
    except _NOT_YAML as error:
        raise ProtocolError(f"{path}: expected YAML, found: {error}") from error
    if not isinstance(content, dict):
        raise ProtocolError(f"{path}: expected fields such as `dataset: hrf`, found {type(content).__name__}.")
    changed = {_assign(content, setting) for setting in settings}
    try:
        return Protocol.model_validate(content)
    except ValidationError as error:
        raise ProtocolError(explain(error, Protocol, path, node, changed)) from error


def dump(protocol: Protocol) -> str:
    """Write every field, so that the file says all that was done."""
    return yaml.safe_dump(protocol.model_dump(mode="json"), sort_keys=False)


def folder() -> Path:
    """Say where the protocols lie: inside an installed package, or beside it in a checkout."""
    package = Path(str(files("cvs_med")))
    installed = package / "protocols"
    return installed if installed.is_dir() else package.parent / "protocols"


def _find(source: str) -> Path:
    known = catalogue()
    if source in known:
        return known[source]
    if os.path.isfile(source):  # Unlike Path.is_file, also for a name that is too long.
        return Path(source)
    raise ProtocolError(f"Expected a protocol file or one of {', '.join(known)}, found {source!r}.")


def _text(path: Path) -> str:
    try:
        if os.path.getsize(path) > 1 << 20:
            raise ProtocolError(f"{path}: expected a protocol of a few lines, found more than a megabyte.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{path}: expected a readable text file, found: {error}") from error


def _assign(content: dict[str, Any], setting: str) -> tuple[str, ...]:
    """Carry out one KEY=VALUE and return the path of the field."""
    key, sign, value = setting.partition("=")
    *sections, field = key.strip().split(".")
    if not sign or not field:
        raise ProtocolError(f"Expected KEY=VALUE such as training.epochs=3, found {setting!r}.")
    place: Any = content
    for section in sections:
        place = place.setdefault(section, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        raise ProtocolError(f"Expected a field inside a section, found {setting!r}: {sections[-1]} is not a section.")
    try:
        place[field] = yaml.safe_load(value)
    except _NOT_YAML as error:
        raise ProtocolError(f"Expected a YAML value in {setting!r}, found: {error}") from error
    return (*sections, field)
