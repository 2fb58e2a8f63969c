"""The fields of a protocol, section by section, with what each may be."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cvs_med import backbones

Level = Annotated[int, Field(ge=0, le=4)]
Share = Annotated[float, Field(ge=0, le=1)]
BatchSize = Annotated[int, Field(ge=1, le=65_536)]


class Section(BaseModel):
    """Fields that are checked, and never changed afterwards; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Images(Section):
    """From the photograph to the network's square."""

    size: int = Field(512, ge=16, le=4096, description="side of the square in pixels; the backbone says what fits")
    crop: Literal["field_of_view", "disc", "none"] = Field(
        "field_of_view", description="what is kept of the photograph; disc: a square around the optic disc of a fundus"
    )
    harmonise: bool = Field(
        False, description="make colours and compression of all photographs alike first, so that they tell no class"
    )
    finer: int = Field(
        0, ge=0, le=8,
        description="where small dark spots are looked for, as further evidence of `method: cvs`: in a square so many "
        "times as large; 0: nowhere",
    )  # fmt: skip
    fibres: bool = Field(
        False, description="compare, as further evidence of `method: cvs`, the light that nerve fibres send back above "
        "and below the optic disc with that beside it",
    )  # fmt: skip


class Network(Section):
    """Encoder and decoder. Levels count from fine to coarse; how many there are depends on the backbone."""

    backbone: Annotated[str, AfterValidator(lambda name: backbones.find(name).name)] = "densenet169"
    weights: str = Field("imagenet", min_length=1, description="imagenet, none, or a file")
    weights_partial: bool = Field(False, description="accept a file that does not cover the encoder")
    trainable: Literal["all", "head"] = Field("head", description="head: the encoder stays as it was loaded")
    output_stride: Literal[8, 16, 32] = Field(32, description="of a ResNet or DenseNet; others have their own")
    dropout: float = Field(0, ge=0, lt=1, description="of a Wide-ResNet's blocks")
    decoder: Literal["skip", "deeplab", "transposed", "fine"] = Field(
        "skip", description="fine: a small network on the square of images.finer finds the foreground, and is trained "
        "first; see the section fine",
    )  # fmt: skip
    width: int = Field(24, ge=4, le=512, description="channels of the skip decoder")
    levels: tuple[Level, ...] = Field((0, 1, 2), min_length=1, description="encoder levels the skip decoder reads")
    context: tuple[Level, ...] = Field((), description="levels of a linear part that tells the class (skip, fine)")

    @model_validator(mode="after")
    def _levels_are_sorted(self) -> "Network":
        for name in ("levels", "context"):
            if list(getattr(self, name)) != sorted(set(getattr(self, name))):
                raise ValueError(f"{name}: expected each level once, from fine to coarse")
        return self


class Fine(Section):
    """The network of `network.decoder: fine`, and its training, by tiles of the training part's photographs."""

    widths: tuple[Annotated[int, Field(ge=4, le=256)], ...] = Field(
        (24, 48, 64), min_length=1, max_length=5, description="channels at the square's resolution, at half of it ..."
    )
    steps: int = Field(4200, ge=1, description="optimiser steps")
    batch_size: BatchSize = Field(1, description="tiles of a step")
    tile: int = Field(96, ge=16, description="side of a tile in pixels of the square; at most its side is taken")
    learning_rate: float = Field(0.003, gt=0, description="of AdamW, in one cycle")


class Augmentation(Section):
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


class Loss(Section):
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


class Training(Section):
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
    least_steps: int = Field(1, ge=1, le=10_000_000, description="more epochs where those of few cases are fewer steps")
    batch_size: BatchSize = 6
    smaller_batches: dict[Annotated[int, Field(ge=1)], BatchSize] = Field(
        default_factory=dict, description="batch size with at most so many training cases, instead of batch_size"
    )
    halve_batch: bool = Field(False, description="out of memory, begin anew with half the batch, and record it")
    shared_norms: bool = Field(False, description="batch norm over all of --devices, not over each one's images")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto: bf16 where the processor has it")

    def batch_for(self, cases: int) -> int:
        """Choose the batch size by the number of training cases, as the paper does."""
        return next((size for most, size in sorted(self.smaller_batches.items()) if cases <= most), self.batch_size)


class Probe(Section):
    """Logistic regression on pooled features of the frozen encoder."""

    level: Level = 3
    inverse_penalty: float = Field(0.01, gt=0, description="C of scikit-learn's LogisticRegression")


class Transfer(Section):
    """How labels are propagated to images without one, along the embedding of the encoder as it was loaded."""

    propagation: Literal["knn", "spectral"] = "spectral"
    level: Level = Field(4, description="of the encoder, averaged over the field of view, is the embedding")
    neighbours: int = Field(200, ge=1, description="labelled images that vote for a label, at most all")
    temperature: float = Field(0.2, gt=0, description="cosine by which a neighbour's voice grows e-fold")
    graph: int = Field(20, ge=1, description="neighbours of an image in the graph of `propagation: spectral`")
    eigenvectors: int = Field(50, ge=1, description="of that graph")


class Splits(Section):
    """Who is tested when."""

    kind: Literal["random", "stratified", "grouped"] = "random"
    folds: int = Field(5, ge=2, le=1000)
    seed: int = Field(0, ge=0, lt=2**32)


class Masks(Section):
    """Which masks are learnt from; by default those of all training cases.

    With `per_class`, a network learns from M masks of each class inside each training part and makes those of the rest
    of it (the paper's Seg-M). Other masks are never learnt from.
    """

    per_class: int | None = Field(None, ge=1, description="M, masks of each class that a training part gives")
    steps: int | None = Field(
        None, ge=1, le=10_000_000, description="of the network that makes the rest; by default those of the final one"
    )

    @model_validator(mode="after")
    def _steps_are_of_something(self) -> "Masks":
        if self.steps and not self.per_class:
            raise ValueError("steps: expected only with per_class, the masks that are learnt from")
        return self


class Inner(Section):
    """What is decided inside each training part, by a cross-validation of it; by default nothing."""

    select: dict[str, str] = Field(default_factory=dict, description="protocols to choose from, with their checksums")
    calibrate: bool = Field(False, description="fit a temperature")
    abstain_at_risk: float | None = Field(None, gt=0, lt=1, description="share of answers that may be wrong")
    coverage: float | None = Field(None, gt=0, lt=1, description="share of prediction sets that shall hold the class")

    @property
    def decides(self) -> bool:
        """Whether anything but the protocol is decided inside."""
        return self.calibrate or self.abstain_at_risk is not None or self.coverage is not None
