"""What every engine is asked and answers, without a network library: PyTorch's networks or an exported model."""

from dataclasses import dataclass
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from cvs_med.decisions import Abstention
from cvs_med.squares import Crop, Square
from cvs_med.types import Floats, Reading


class Recipe(BaseModel):
    """How a photograph becomes the square that the networks look at, and what they answer.

    Attributes:
        class_names: in the order of the probabilities.
        size: side S of the square in pixels.
        crop: what is kept of the photograph.
        surroundings: the field of view has dark surroundings, and is found in the pixels.
        reading: how files of measured values become pictures.
        abstention: which answers are too unsure; None where the run chose no thresholds.
        finer: where small dark spots are looked for; see `squares.square`.
        fine: the finer square is looked at too.
        fibres: nerve fibres around the optic disc are looked for.
        harmonise: photographs are made alike first; see `harmonising`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    class_names: list[str] = Field(min_length=2)
    size: int = Field(ge=16, le=4096)
    crop: Crop
    surroundings: bool
    reading: Reading
    abstention: Abstention | None = None
    finer: int = Field(0, ge=0, le=8)
    fine: bool = False
    fibres: bool = False
    harmonise: bool = False

    @property
    def planes(self) -> int:
        """Planes of the square that is looked at: the plain ones, and those of the finer square."""
        return self.plain + (self.finer**2 if self.fine else 0)

    @property
    def plain(self) -> int:
        """Planes in its own pixels: red, green, blue, and the signs."""
        return 3 + bool(self.finer) + self.fibres


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """What K networks say of one photograph together; see `inference.agree`.

    Attributes:
        probabilities: (P,), sum to one.
        members: (K, P), the probabilities of each network.
        pooled: (2 C,), mean and deviation of one level of the encoder over the field of view, for the gates.
        map: (P + 1, S, S), probability of background and of each class; None for a method without a map.
        shares: (P, S, S), the evidence; None for a method without it.
        scores: (P,), its sums over the pixels.
        finest: (k S, k S), probability of foreground at a finer scale; None for networks without one.
    """

    probabilities: Floats
    members: Floats
    pooled: Floats
    map: npt.NDArray[np.float32] | None = None
    shares: npt.NDArray[np.float32] | None = None
    scores: Floats | None = None
    finest: npt.NDArray[np.float32] | None = None


class Engine(Interface):
    """Whatever answers for photographs."""

    @property
    def recipe(self) -> Recipe:
        """How a photograph is prepared."""

    @property
    def identity(self) -> str:
        """A digest of the networks' files."""

    @property
    def precision(self) -> str:
        """Numbers that are computed with."""

    def consider(self, prepared: Square) -> Opinion:
        """Answer for a photograph."""
