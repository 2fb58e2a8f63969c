"""What runs an exported model on a processor: onnxruntime in 32 bits, OpenVINO also in bfloat16.

Both are loaded from bytes, so that a model can name no other file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from cvs_med.errors import CvsMedError

Planes: TypeAlias = Mapping[str, npt.NDArray[np.float32]]
"""What a model is given, by the names of its inputs, and what it answers, by those of its outputs."""

Precision: TypeAlias = Literal["auto", "bf16", "fp32"]
"""Numbers to compute with."""

_HINTS: Final[dict[Precision, dict[str, str]]] = {
    "auto": {},
    "fp32": {"INFERENCE_PRECISION_HINT": "f32"},
    "bf16": {"INFERENCE_PRECISION_HINT": "bf16"},
}
_NAMES: Final = {"f32": "fp32"}


@dataclass(frozen=True, slots=True)
class Runtime:
    """A model that is ready to be run.

    Attributes:
        run: answers a batch, in the order of `outputs`.
        outputs: names of the answers.
        metadata: what the model's file says of itself.
        precision: numbers that are computed with.
    """

    run: Callable[[Planes], Sequence[npt.NDArray[np.float32]]]
    outputs: tuple[str, ...]
    metadata: Mapping[str, str]
    precision: str

    def answers(self, given: Planes) -> Planes:
        """Answer a batch by name."""
        return dict(zip(self.outputs, self.run(given), strict=True))


def by_onnxruntime(content: bytes, threads: int) -> Runtime:
    """Load a model with onnxruntime.

    Raises:
        CvsMedError: onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise CvsMedError("Expected onnxruntime, found none. Install cvs-med[export].") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    outputs = tuple(output.name for output in session.get_outputs())
    metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
    return Runtime(lambda given: session.run(None, dict(given)), outputs, metadata, "fp32")


def by_openvino(content: bytes, threads: int, precision: Precision, *, like: Runtime) -> Runtime:
    """Compile a model with OpenVINO.

    Args:
        content: of an ONNX file.
        threads: to compute with.
        precision: numbers to compute with; `auto` lets OpenVINO choose by the processor.
        like: the same model in onnxruntime, which alone reads what the file says of itself.

    Raises:
        CvsMedError: OpenVINO is missing.
    """
    try:
        import openvino
    except ImportError as error:
        raise CvsMedError("Expected OpenVINO, found none. Install cvs-med[openvino].") from error
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(content), "CPU", {"INFERENCE_NUM_THREADS": str(threads), **_HINTS[precision]}
    )
    chosen = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()

    def run(given: Planes) -> Sequence[npt.NDArray[np.float32]]:
        found = compiled(dict(given))
        return [found[number] for number in range(len(like.outputs))]

    return Runtime(run, like.outputs, like.metadata, _NAMES.get(chosen, chosen))
