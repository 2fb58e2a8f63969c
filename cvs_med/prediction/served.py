"""An exported ONNX model answers as the run's networks do, by onnxruntime alone: no PyTorch is imported."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from cvs_med.errors import CvsMedError, RunError
from cvs_med.prediction import gate_file
from cvs_med.prediction.gates import Gates
from cvs_med.prediction.opinion import Opinion, Recipe
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
        session: of onnxruntime.
    """

    recipe: Recipe
    identity: str
    session: Any

    @property
    def precision(self) -> str:
        """Numbers that are computed with."""
        return "fp32"

    def consider(self, prepared: Square) -> Opinion:
        """Answer for a photograph.

        Raises:
            RunError: the model cannot be run on it, or answers with another shape than its recipe says.
        """
        given = {"images": prepared.planes, "inside": prepared.field_of_view}
        try:
            found = self.session.run(None, {name: _unit(plane) for name, plane in given.items()})
        except Exception as error:  # onnxruntime has a dozen kinds of its own.
            said = f"Expected a model for {prepared.planes.shape}, found: {error}"
            raise RunError(f"{said}. Export the run again.") from error
        answers = {output.name: values[0] for output, values in zip(self.session.get_outputs(), found, strict=True)}
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


def read(path: Path, *, threads: int) -> tuple[Served, Gates]:
    """Read what `export --format onnx` wrote.

    Args:
        path: its folder, or the model in it.
        threads: to compute with.

    Raises:
        CvsMedError: onnxruntime is missing.
        RunError: model or gates are missing, damaged, of something else, or do not belong together.
    """
    model = path / FILE if path.is_dir() else path
    gates = model.parent / gate_file.FILE
    try:
        content, beside = model.read_bytes(), gates.read_bytes()
    except OSError as error:
        remedy = "Name what `cvs-med export --format onnx` wrote, with both files."
        raise RunError(f"{path}: expected {FILE} and {gate_file.FILE}, found: {error.strerror}. {remedy}") from error
    served = _served(model, content, threads)
    if served.session.get_modelmeta().custom_metadata_map.get(GATES) != hashlib.sha256(beside).hexdigest():
        raise RunError(f"{gates}: expected the gates of {FILE}, found others. Export the run again.")
    return served, gate_file.read(gates)


def session(content: bytes, threads: int) -> Any:  # noqa: ANN401 - onnxruntime ships no types
    """Make a session of onnxruntime on the processor.

    Raises:
        CvsMedError: onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise CvsMedError("Expected onnxruntime, found none. Install cvs-med[export].") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # From bytes, so that the model can name no other file.
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _served(path: Path, content: bytes, threads: int) -> Served:
    try:
        begun = session(content, threads)
        recipe = Recipe.model_validate_json(begun.get_modelmeta().custom_metadata_map[RECIPE])
        missing = set(_NEEDED) - {output.name for output in begun.get_outputs()}
    except CvsMedError:
        raise
    except ValidationError as error:
        raise RunError(f"{path}: expected a recipe in the metadata, found {error}. Export the run again.") from error
    except Exception as error:  # onnxruntime has a dozen kinds of its own; a model of someone else has no recipe.
        said = f"{path}: expected a model that cvs-med exported, found another, or damage"
        raise RunError(f"{said}. Export the run again.") from error
    if missing:
        raise RunError(f"{path}: expected the outputs {', '.join(_NEEDED)}, found others. Export the run again.")
    return Served(recipe, hashlib.sha256(content).hexdigest(), begun)
