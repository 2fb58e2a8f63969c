"""Speed as ratios of things measured in turn in one run: absolute times of a shared machine say little."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from cvs_med import cache, datasets, environment, losses
from cvs_med.augmentation import flips
from cvs_med.batches import PhotographBatches
from cvs_med.images import read_image
from cvs_med.networks import Network, build_network
from cvs_med.precision import choose, computing
from cvs_med.prediction import ensemble, gate_file, pictures, stream
from cvs_med.protocol import Augmentation, Protocol
from cvs_med.protocol import load as load_protocol
from cvs_med.training import build_optimiser

_STEPS = 4
"""Training steps that one round times."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One comparison: medians over the rounds, in images per second or milliseconds a step."""

    what: str
    ours: float
    other: float
    ratio: float
    unit: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark found, and on which machine."""

    ratios: tuple[Ratio, ...]
    rounds: int
    machine: dict[str, str | float]

    def to_json(self) -> str:
        """Write it for programs."""
        return json.dumps(asdict(self), indent=2)

    def to_table(self) -> str:
        """Write it for people, as Markdown."""
        head = "| what | ours | other | ratio |\n|---|---|---|---|"
        rows = [f"| {r.what} | {r.ours:.2f} {r.unit} | {r.other:.2f} {r.unit} | {r.ratio:.2f} |" for r in self.ratios]
        place = f"{self.machine['processor']}, {self.machine['threads']} threads, torch {self.machine['torch']}"
        return "\n".join([head, *rows, "", f"Medians of {self.rounds} alternating rounds. {place}."])


def train(dataset: str, *, data_dir: Path | None, cache_dir: Path, workers: int, rounds: int) -> Result:
    """Time training steps of a data set's protocol, all layers trained: as usual, and in two other ways.

    One is the same recipe with 32-bit numbers and contiguous memory; the other the same step without augmentation.

    Raises:
        CvsMedError: protocol or data are not as they should be.
    """
    protocol = load_protocol(dataset, ["network.trainable=all", "network.context=[]"])
    kind = datasets.get(protocol.dataset)
    cases = datasets.read(kind, datasets.locate(dataset, data_dir), folds=2)
    images = protocol.images
    photographs = cache.load(cases, size=images.size, crop=images.crop, folder=cache_dir, workers=workers)
    labels = torch.tensor([case.label for case in cases])
    device = torch.device("cpu")
    classes = len(kind.class_names)
    source = PhotographBatches(photographs, labels, classes, protocol.augmentation, device)
    plain = PhotographBatches(photographs, labels, classes, Augmentation(flip=()), device)
    precision = choose("auto", device)
    usual = _stepper(protocol, source, classes, precision, torch.channels_last)
    contiguous = _stepper(protocol, source, classes, "fp32", torch.contiguous_format)
    unchanged = _stepper(protocol, plain, classes, precision, torch.channels_last)
    size = protocol.training.batch_size
    seconds = _alternate([usual, contiguous, unchanged], rounds)
    ours, slow, bare = (statistics.median(times) / _STEPS for times in seconds)
    ratios = (
        Ratio(f"{precision} channels_last : fp32 contiguous", size / ours, size / slow, slow / ours, "images/s"),
        Ratio("training step, with : without augmentation", 1000 * ours, 1000 * bare, ours / bare, "ms"),
    )
    return Result(ratios, rounds, environment.describe(device, precision))


def predict(run: Path, image: Path, *, rounds: int) -> Result:
    """Time one photograph to its stored overlay, beside decoding it and the bare networks on the same views.

    The networks' pass is the least that the answer needs: the encoder on every mirrored view, and every head.

    Raises:
        CvsMedError: run or photograph are not as they should be.
    """
    device = torch.device("cpu")
    networks = ensemble.read(run, device=device)
    gates = gate_file.of_run(run, networks, lambda done, total: None)
    prepared = stream.prepare(image, networks.protocol, whole=gates.whole)
    views = flips(networks.protocol.augmentation)
    inside = torch.cat([view.apply(prepared.field_of_view[None].float() / 255) for view in views])
    images = torch.cat([view.apply(prepared.image[None].float() / 255) for view in views])
    images = images.contiguous(memory_format=torch.channels_last)
    names = networks.card.class_names
    with tempfile.TemporaryDirectory() as folder:

        def whole() -> None:
            row, answer = stream.look(
                networks, gates, image.name, stream.prepare(image, networks.protocol, whole=gates.whole)
            )
            pictures.write(Path(folder), row, answer, prepared, names)

        def bare() -> None:
            read_image(image)
            networks.outputs(images, inside)

        ours, least = (statistics.median(times) for times in _alternate([whole, bare], rounds))
    ratio = Ratio("photograph to stored overlay : decoding and networks", 1000 * ours, 1000 * least, ours / least, "ms")
    return Result((ratio,), rounds, environment.describe(device, networks.precision))


def _stepper(
    protocol: Protocol, source: PhotographBatches, classes: int, precision: str, memory: torch.memory_format
) -> Callable[[], None]:
    """Build a network and give a function that trains it for a few steps."""
    torch.manual_seed(0)
    network: Network = build_network(protocol, classes).train()
    network = network.to(memory_format=memory)  # type: ignore[call-overload] # torch's types lack it
    optimiser = build_optimiser(network, protocol.training)
    generator = torch.Generator().manual_seed(0)
    chosen = list(range(min(protocol.training.batch_size, len(source.labels))))

    def steps() -> None:
        for _ in range(_STEPS):
            batch = source.training(chosen, generator)
            inputs = batch.inputs.contiguous(memory_format=memory) if isinstance(batch.inputs, torch.Tensor) else None
            with computing(torch.device("cpu"), precision):
                output = network(inputs, batch.inside)
            parts = losses.total(output, batch.label_map, batch.labels, batch.inside, protocol.loss)
            optimiser.zero_grad()
            torch.autograd.backward(parts["loss"])
            optimiser.step()

    return steps


def _alternate(functions: Sequence[Callable[[], None]], rounds: int) -> list[list[float]]:
    """Run the functions in turn, once to warm up and then for the rounds, and give the seconds of each."""
    seconds: list[list[float]] = [[] for _ in functions]
    for number in range(rounds + 1):
        for function, times in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            if number:
                times.append(time.perf_counter() - start)
    return seconds
