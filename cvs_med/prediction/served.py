"""An exported ONNX model answers as the run's networks do, by another runtime: no PyTorch is imported."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import ValidationError

from cvs_med.errors import CvsMedError, RunError
from cvs_med.prediction import gate_file, runtimes
from cvs_med.prediction.gates import Gates
from cvs_med.prediction.opinion import Opinion, Recipe
from cvs_med.prediction.runtimes import Precision, Runtime
from cvs_med.squares import Square

FILE: Final = "model.onnx"
RECIPE: Final = "cvs_med.recipe"
GATES: Final = "cvs_med.gates_sha256"
"""What the model's metadata calls the recipe as JSON, and the SHA-256 of its gates."""
_NEEDED = ("probabilities", "members", "pooled")


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """An exported model.

    Attributes:
        recipe: how a photograph is prepared.
        identity: SHA-256 of the file.
        runtime: what runs it.
    """

    recipe: Recipe
    identity: str
    runtime: Runtime

    @property
    def precision(self) -> str:
        """Numbers that are computed with."""
        return self.runtime.precision

    def consider(self, prepared: Square) -> Opinion:
        """Answer for a photograph.

        Raises:
            RunError: the model cannot be run on it, or answers with another shape than its recipe says.
        """
        given = {"images": prepared.planes, "inside": prepared.field_of_view}
        try:
            found = self.runtime.answers({name: _unit(plane) for name, plane in given.items()})
        except Exception as error:  # Each runtime has a dozen kinds of its own.
            said = f"Expected a model for {prepared.planes.shape}, found: {error}"
            raise RunError(f"{said}. Export the run again.") from error
        answers = {name: values[0] for name, values in found.items()}
        shares = answers["probabilities"].astype(np.float64)
        if shares.shape != (len(self.recipe.class_names),):
            raise RunError(f"Expected {len(self.recipe.class_names)} probabilities, found {shares.shape}. Export anew.")
        scores = answers.get("scores")
        return Opinion(
            shares / shares.sum(),
            answers["members"].astype(np.float64),
            answers["pooled"].astype(np.float64),
            answers.get("map"),
            answers.get("evidence"),
            None if scores is None else answers["evidence"].sum(axis=(1, 2), dtype=np.float64),
            answers.get("finest"),
        )


def _unit(plane: np.typing.NDArray[np.uint8]) -> np.typing.NDArray[np.float32]:
    return plane[None].astype(np.float32) / np.float32(255)


def read(path: Path, *, threads: int, openvino: Precision | None = None) -> tuple[Served, Gates]:
    """Read what `export --format onnx` wrote.

    Args:
        path: its folder, or the model in it.
        threads: to compute with.
        openvino: run it by OpenVINO, with these numbers; None runs it by onnxruntime, in 32 bits.

    Raises:
        CvsMedError: onnxruntime, or OpenVINO where it is asked for, is missing.
        RunError: model or gates are missing, damaged, of something else, or do not belong together.
    """
    model = path / FILE if path.is_dir() else path
    gates = model.parent / gate_file.FILE
    try:
        content, beside = model.read_bytes(), gates.read_bytes()
    except OSError as error:
        remedy = "Name what `cvs-med export --format onnx` wrote, with both files."
        raise RunError(f"{path}: expected {FILE} and {gate_file.FILE}, found: {error.strerror}. {remedy}") from error
    served = _served(model, content, threads, openvino)
    if served.runtime.metadata.get(GATES) != hashlib.sha256(beside).hexdigest():
        raise RunError(f"{gates}: expected the gates of {FILE}, found others. Export the run again.")
    return served, gate_file.read(gates)


def _served(path: Path, content: bytes, threads: int, openvino: Precision | None) -> Served:
    try:
        runtime = runtimes.by_onnxruntime(content, threads)
        recipe = Recipe.model_validate_json(runtime.metadata[RECIPE])
        if openvino:
            runtime = runtimes.by_openvino(content, threads, openvino, like=runtime)
    except CvsMedError:
        raise
    except ValidationError as error:
        raise RunError(f"{path}: expected a recipe in the metadata, found {error}. Export the run again.") from error
    except Exception as error:  # Each runtime has a dozen kinds of its own; a model of someone else has no recipe.
        said = f"{path}: expected a model that cvs-med exported, found another, or damage"
        raise RunError(f"{said}. Export the run again.") from error
    if not set(_NEEDED) <= set(runtime.outputs):
        raise RunError(f"{path}: expected the outputs {', '.join(_NEEDED)}, found others. Export the run again.")
    return Served(recipe, hashlib.sha256(content).hexdigest(), runtime)
