"""A whole photograph's answer by several engines: the same networks, the same views, and the labels compared."""

import copy
import importlib.util
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cvs_med import environment
from cvs_med.benchmark.rounds import Ratio, Result, alternate
from cvs_med.export.onnx import write
from cvs_med.export.together import Together
from cvs_med.networks import abreast
from cvs_med.precision import computing
from cvs_med.prediction import ensemble, gate_file, runtimes, served, stream

Answers = Sequence[npt.NDArray[np.float32]]
"""What `Together.forward` returns, in its order."""

Engine = Callable[[Tensor, Tensor], Answers]
"""Answers for images (B, 3 or more, S, S), see `squares.Square.planes`, and their fields of view (B, S, S)."""

_MAP = 3
"""Place of the map among the answers, if there is one."""


def engines(run: Path, images: Sequence[Path], *, rounds: int) -> Result:
    """Time a run's networks on photographs, one after the other, by every engine that is installed.

    From the square of pixels to probabilities, map and evidence; decoding and writing are left out. The first engine,
    PyTorch with 32-bit numbers in its usual order of memory and one head after another, is what the others are compared
    with. Those that are called fused are what `predict` uses; see `Ensemble.fused`.

    Raises:
        CvsMedError: run or photographs are not as they should be, or no exported model can be made.
    """
    networks = ensemble.read(run, device=torch.device("cpu"), precision="fp32")
    squares = [stream.prepare(image, networks.recipe) for image in images]
    given = [
        tuple(torch.from_numpy(plane)[None].float() / 255 for plane in (square.planes, square.field_of_view))
        for square in squares
    ]
    with tempfile.TemporaryDirectory() as folder:
        gates = gate_file.of_run(run, networks, lambda done, total: None)
        write(networks, gates, Path(folder), run=run)
        quick = ensemble.read(run, device=torch.device("cpu"), precision="fp32").fused()
        found = _of_torch(networks, quick) | _of_file(Path(folder) / served.FILE)
    answers = {name: [engine(image, inside) for image, inside in given] for name, engine in found.items()}
    seconds = alternate([_passing(engine, given) for engine in found.values()], rounds)
    times = [1000 * statistics.median(each) / len(given) for each in seconds]
    base, first = next(iter(found)), times[0]
    ratios = tuple(
        Ratio(f"{name} : {base}{_said(answers[name], answers[base])}", time, first, first / time, "ms an image")
        for name, time in zip(found, times, strict=True)
        if name != base
    )
    return Result(ratios, rounds, environment.describe(torch.device("cpu"), "as named"))


def _passing(engine: Engine, given: Sequence[tuple[Tensor, ...]]) -> Callable[[], None]:
    def passing() -> None:
        for image, inside in given:
            engine(image, inside)

    return passing


def _of_torch(networks: ensemble.Ensemble, quick: ensemble.Ensemble) -> dict[str, Engine]:
    """Run the networks by PyTorch: as they are, fused, and compiled."""
    plain = _torch(_kept_as(Together(networks, abreast.one_by_one), torch.contiguous_format), "fp32")
    last = _kept_as(Together(networks), torch.channels_last)
    fused, compiled = _kept_as(Together(quick), torch.channels_last), torch.compile(last)
    found = {"torch fp32": plain, "torch fp32, channels last": _torch(last, "fp32")}
    found |= {f"torch {precision}, fused": _torch(fused, precision) for precision in ("fp32", "bf16")}
    return found | {f"torch.compile {precision}": _torch(compiled, precision) for precision in ("fp32", "bf16")}


def _kept_as(together: Together, memory: torch.memory_format) -> Together:
    kept: Together = copy.deepcopy(together).eval().to(memory_format=memory)  # type: ignore[call-overload] # torch's types lack it
    return kept


def _torch(together: nn.Module | Callable[..., tuple[Tensor, ...]], precision: str) -> Engine:
    def answer(image: Tensor, inside: Tensor) -> Answers:
        with torch.inference_mode(), computing(torch.device("cpu"), precision):
            return [found.numpy() for found in together(image, inside)]

    return answer


def _of_file(model: Path) -> dict[str, Engine]:
    """Run the exported model by onnxruntime and, where it is installed, by OpenVINO in both kinds of numbers."""
    content, threads = model.read_bytes(), torch.get_num_threads()
    plain = runtimes.by_onnxruntime(content, threads)
    found = {"onnxruntime fp32": _by(plain)}
    if importlib.util.find_spec("openvino"):
        wanted: tuple[runtimes.Precision, ...] = ("fp32", "bf16")
        found |= {f"OpenVINO {each}": _by(runtimes.by_openvino(content, threads, each, like=plain)) for each in wanted}
    return found


def _by(runtime: runtimes.Runtime) -> Engine:
    return lambda image, inside: runtime.run({"images": image.numpy(), "inside": inside.numpy()})


def _said(ours: Sequence[Answers], base: Sequence[Answers]) -> str:
    """Say in how many photographs the class is the same, and in which share of the map's pixels."""
    pairs = list(zip(ours, base, strict=True))
    same = sum(int(own[0].argmax() == other[0].argmax()) for own, other in pairs)
    apart = max(float(np.abs(own[0] - other[0]).max()) for own, other in pairs)
    said = f"; {same} of {len(pairs)} classes equal, probabilities within {apart:.1g}"
    if len(base[0]) <= _MAP:
        return said
    pixels = [float((own[_MAP].argmax(axis=1) == other[_MAP].argmax(axis=1)).mean()) for own, other in pairs]
    return f"{said}, {100 * min(pixels):.2f} % of pixels at least"
