"""A protocol: one experiment as a file, every field checked before any data is read."""

import os
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cvs_med import backbones
from cvs_med.errors import ProtocolError
from cvs_med.protocol_errors import Fault, explain, located

Level = Annotated[int, Field(ge=0, le=4)]
Share = Annotated[float, Field(ge=0, le=1)]
BatchSize = Annotated[int, Field(ge=1, le=65_536)]

REPORTED = "reported.yaml"
"""The one file among the protocols that is none: what was published, see `reported`."""

_NOT_YAML = (yaml.YAMLError, ValueError, AttributeError, RecursionError)
"""What PyYAML raises: the last three for impossible dates and numbers, a wrong !!timestamp, and endless brackets."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Images(_Section):
    """From the photograph to the network's square."""

    size: int = Field(512, ge=16, le=4096, description="side of the square in pixels; the backbone says what fits")
    crop: Literal["field_of_view", "disc", "none"] = Field(
        "field_of_view", description="what is kept of the photograph; disc: a square around the optic disc of a fundus"
    )


class Network(_Section):
    """Encoder and decoder. Levels count from fine to coarse; how many there are depends on the backbone."""

    backbone: Annotated[str, AfterValidator(lambda name: backbones.find(name).name)] = "densenet169"
    weights: str = Field("imagenet", min_length=1, description="imagenet, none, or a file")
    weights_partial: bool = Field(False, description="accept a file that does not cover the encoder")
    trainable: Literal["all", "head"] = Field("head", description="head: the encoder stays as it was loaded")
    output_stride: Literal[8, 16, 32] = Field(32, description="of a ResNet or DenseNet; others have their own")
    dropout: float = Field(0, ge=0, lt=1, description="of a Wide-ResNet's blocks")
    decoder: Literal["skip", "deeplab", "transposed"] = "skip"
    width: int = Field(24, ge=4, le=512, description="channels of the skip decoder")
    levels: tuple[Level, ...] = Field((0, 1, 2), min_length=1, description="encoder levels the skip decoder reads")
    context: tuple[Level, ...] = Field((), description="levels added linearly to the map logits of the skip decoder")

    @model_validator(mode="after")
    def _levels_are_sorted(self) -> "Network":
        for name in ("levels", "context"):
            if list(getattr(self, name)) != sorted(set(getattr(self, name))):
                raise ValueError(f"{name}: expected each level once, from fine to coarse")
        return self


class Augmentation(_Section):
    """Random changes of a training image. With a frozen encoder only flips and turns, as precomputed views."""

    flip: tuple[Literal["horizontal", "vertical"], ...] = ("horizontal", "vertical")
    turn: float = Field(0, ge=0, le=180, description="degrees, to either side")
    zoom: Share = Field(0, description="share of the side, larger or smaller")
    shift: Share = Field(0, description="share of the side, any direction")
    colour: Share = Field(0, description="strength of random brightness, contrast and saturation")
    noise: Share = Field(0, description="standard deviation of Gaussian noise, as a share of the range")
    crop_area: tuple[Share, Share] = Field((1, 1), description="least and largest share of the area that a crop keeps")
    crop_ratio: float = Field(1, ge=1, le=4, description="most that one side of a crop may be stretched to the other")
    mixup: float = Field(0, ge=0, le=10, description="strength of mixing two images and their labels")

    @property
    def crops(self) -> bool:
        """Whether a random part is cut out and enlarged."""
        return self.crop_area != (1, 1) or self.crop_ratio > 1

    @model_validator(mode="after")
    def _area_is_a_range(self) -> "Augmentation":
        if not 0 < self.crop_area[0] <= self.crop_area[1]:
            raise ValueError("crop_area: expected two shares above zero, the smaller first")
        return self


class Loss(_Section):
    """Weights of the parts of the loss. The paper's: map_weight 1 and nothing else."""

    map_weight: float = Field(1, ge=0)
    foreground_weight: float = Field(1, gt=0, description="weight of a foreground pixel in the cross-entropy")
    dice_weight: float = Field(0, ge=0, description="soft Dice of foreground against background")
    class_weight: float = Field(0, ge=0, description="cross-entropy of the derived class, or of the second head")

    @model_validator(mode="after")
    def _something_counts(self) -> "Loss":
        if not (self.map_weight or self.class_weight):
            raise ValueError("expected map_weight or class_weight above zero, or nothing would be learnt")
        return self


class Training(_Section):
    """Optimiser and length."""

    optimiser: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(0.1, gt=0)
    momentum: Share = Field(0.9, description="of SGD")
    weight_decay: float = Field(5e-4, ge=0)
    context_rate: float = Field(2, gt=0, description="learning rate of the linear part, as a multiple")
    context_decay: float = Field(5e-3, ge=0, description="weight decay of the linear part")
    schedule: Literal["constant", "one_cycle", "hyperrule"] = Field("one_cycle", description="hyperrule: BiT's")
    epochs: int = Field(30, ge=1, le=100_000)
    steps: int | None = Field(None, ge=1, le=10_000_000, description="length instead of epochs; hyperrule has its own")
    batch_size: BatchSize = 6
    smaller_batches: dict[Annotated[int, Field(ge=1)], BatchSize] = Field(
        default_factory=dict, description="batch size with at most so many training cases, instead of batch_size"
    )
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto: bf16 where the processor has it")

    def batch_for(self, cases: int) -> int:
        """Choose the batch size by the number of training cases, as the paper does."""
        return next((size for most, size in sorted(self.smaller_batches.items()) if cases <= most), self.batch_size)


class Probe(_Section):
    """Logistic regression on pooled features of the frozen encoder."""

    level: Level = 3
    inverse_penalty: float = Field(0.01, gt=0, description="C of scikit-learn's LogisticRegression")


class Transfer(_Section):
    """How labels are propagated to images without one, along the embedding of the encoder as it was loaded."""

    propagation: Literal["knn", "spectral"] = "spectral"
    level: Level = Field(4, description="of the encoder, averaged over the field of view, is the embedding")
    neighbours: int = Field(200, ge=1, description="labelled images that vote for a label, at most all")
    temperature: float = Field(0.2, gt=0, description="cosine by which a neighbour's voice grows e-fold")
    graph: int = Field(20, ge=1, description="neighbours of an image in the graph of `propagation: spectral`")
    eigenvectors: int = Field(50, ge=1, description="of that graph")


class Splits(_Section):
    """Who is tested when."""

    kind: Literal["random", "stratified", "grouped"] = "random"
    folds: int = Field(5, ge=2, le=1000)
    seed: int = Field(0, ge=0, lt=2**32)


class Inner(_Section):
    """What is decided inside each training part, by a cross-validation of it; by default nothing."""

    select: dict[str, str] = Field(default_factory=dict, description="protocols to choose from, with their checksums")


class Protocol(_Section):
    """One experiment."""

    dataset: str = Field(min_length=1)
    method: Literal["cvs", "classification", "multitask", "probe", "transfer"] = "cvs"
    q: Literal["mean", "probability", "foreground"] = Field("mean", description="how the map gives the class")
    within: Literal["image", "field_of_view"] = Field("field_of_view", description="pixels that give the class")
    images: Images = Images()
    network: Network = Network()
    augmentation: Augmentation = Augmentation()
    loss: Loss = Loss()
    training: Training = Training()
    probe: Probe = Probe()
    transfer: Transfer = Transfer()
    splits: Splits = Splits()
    inner: Inner = Inner()

    @model_validator(mode="after")
    def _fields_agree(self) -> "Protocol":
        faults = [*self._of_the_backbone(), *self._of_the_method(), *self._of_the_training()]
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
        if self.has_map and settings.decoder == "skip" and max(*settings.levels, *settings.context, 0) > finest:
            yield "network", f"expected levels and context of 0 to {finest} with {name}"
        if self.probe.level > finest:
            yield "probe.level", f"expected 0 to {finest} with {name}"
        if self.method == "transfer" and self.transfer.level > finest:
            yield "transfer.level", f"expected 0 to {finest} with {name}"

    def _of_the_method(self) -> Iterator[Fault]:
        """List what this method cannot use or cannot do without."""
        if self.has_map and backbones.find(self.network.backbone).family == "lenet":
            yield "method", "expected classification or probe with lenet5, which has no decoder"
        if self.method == "multitask" and not (self.loss.map_weight and self.loss.class_weight):
            yield "loss", "expected map_weight and class_weight above zero with the two heads of `method: multitask`"
        mixes = self.augmentation.mixup > 0 or self.training.schedule == "hyperrule"
        if mixes and (self.method, self.network.trainable) != ("classification", "all"):
            where = "augmentation.mixup" if self.augmentation.mixup else "training.schedule"
            yield where, "expected mixup and hyperrule only with `method: classification` and `network.trainable: all`"
        if self.augmentation.mixup and self.training.schedule == "hyperrule":
            yield "augmentation.mixup", "expected 0 with `training.schedule: hyperrule`, which sets it"

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
    def has_map(self) -> bool:
        """Whether the network answers with a map."""
        return self.method in ("cvs", "multitask")


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
        content = yaml.safe_load(text)
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
    """Write every field, so that the file says all that was done; `inner` only where it asks for something.

    Without it the text is what it was before there was `inner`, and a run that was begun then can be continued.
    """
    unused = {"inner"} if protocol.inner == Inner() else None
    return yaml.safe_dump(protocol.model_dump(mode="json", exclude=unused), sort_keys=False)


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
