"""Speed as ratios of things measured in turn in one run: absolute times of a shared machine say little."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from cvs_med import benchmark_monai, cache, datasets, environment, losses
from cvs_med.augmentation import flips
from cvs_med.batches import PhotographBatches
from cvs_med.errors import CvsMedError
from cvs_med.images import read_image
from cvs_med.networks import Network, build_network
from cvs_med.precision import choose, computing, place
from cvs_med.prediction import ensemble, files, gate_file, pictures, stream
from cvs_med.protocol import Protocol
from cvs_med.protocol import load as load_protocol
from cvs_med.protocol_sections import Augmentation
from cvs_med.training import build_optimiser
from cvs_med.types import OwnFile

_STEPS = 4
"""Training steps that one round times."""

_PRODUCTS = 4
"""Products of matrices that one round times."""

_PEAK_SIDE = {"cpu": 2048, "cuda": 8192}
"""Side of these matrices: so large that a larger one is not faster."""

_ONE_BY_ONE = 1000
"""Images that one round passes through per-image transforms; all of them would take minutes."""


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
    """Time training steps of a data set's protocol, all layers trained: as usual, and in three other ways.

    They are the same recipe with 32-bit numbers and contiguous memory, as a plain PyTorch loop has them; the same with
    MONAI's SupervisedTrainer and a dictionary transform for each image; and the usual step without augmentation.

    Raises:
        CvsMedError: protocol or data are not as they should be, or pytorch-ignite is not installed.
    """
    protocol = load_protocol(dataset, ["network.trainable=all", "network.context=[]"])
    kind, root = datasets.opened(dataset, data_dir)
    cases = datasets.read(kind, root, folds=2)
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
    size = _batch(protocol, source)
    trainer = benchmark_monai.supervised_trainer(protocol, source, size, _STEPS)
    seconds = _alternate([usual, contiguous, unchanged, trainer], rounds)
    ours, slow, bare, engine = (statistics.median(times) / _STEPS for times in seconds)
    ratios = (
        Ratio(f"{precision} channels_last : fp32 contiguous", size / ours, size / slow, slow / ours, "images/s"),
        Ratio(
            f"{precision} channels_last : MONAI SupervisedTrainer, fp32, transforms one by one",
            size / ours, size / engine, engine / ours, "images/s",
        ),
        Ratio("training step, with : without augmentation", 1000 * ours, 1000 * bare, ours / bare, "ms"),
    )
    return Result(ratios, rounds, environment.describe(device, precision))


def loader(protocol: Protocol, *, data_dir: Path | None, cache_dir: Path, workers: int, rounds: int) -> Result:
    """Time a pass of a training part through our batches, against one MONAI dictionary transform for each image.

    Both begin with the images at working size in memory and end with batches of images and masks. The transform turns,
    zooms, shifts, mirrors and adds noise as the protocol says; colour and crops are left to ours alone.

    Raises:
        CvsMedError: protocol or data are not as they should be.
    """
    source = _source(protocol, torch.device("cpu"), data_dir, cache_dir, workers)
    count, size = len(source.labels), protocol.training.batch_size
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(0)).tolist()
    some = chosen[:_ONE_BY_ONE]

    def ours() -> None:
        generator = torch.Generator().manual_seed(0)
        for start in range(0, count, size):
            source.training(chosen[start : start + size], generator)

    single_file = benchmark_monai.one_by_one(source.photographs, some, protocol.augmentation, size)
    seconds = _alternate([ours, single_file], rounds)
    batched, single = (statistics.median(times) for times in seconds)
    rates = count / batched, len(some) / single
    ratio = Ratio(f"{count} images in batches : MONAI one by one", *rates, rates[0] / rates[1], "images/s")
    return Result((ratio,), rounds, environment.describe(source.device, "fp32"))


def step(
    protocol: Protocol, *, data_dir: Path | None, cache_dir: Path, accelerator: str, workers: int, rounds: int
) -> Result:
    """Time a training step as `training.fit` does it, against the bare network's on one batch that never changes.

    Bare are forward pass, cross-entropy, backward pass and optimiser, with the same numbers and memory; what is over is
    drawing and changing the batch, and our losses.

    Raises:
        CvsMedError: protocol or data are not as they should be, or the encoder is frozen, whose features are kept.
    """
    _require_trained_whole(protocol)
    source = _source(protocol, torch.device(accelerator), data_dir, cache_dir, workers)
    precision = choose(protocol.training.precision, source.device)
    usual = _stepper(protocol, source, source.classes, precision, torch.channels_last)
    seconds = _alternate([usual, _bare(protocol, source, precision)], rounds)
    ours, bare = (1000 * statistics.median(times) / _STEPS for times in seconds)
    what = f"{protocol.network.backbone}, {_batch(protocol, source)} of {protocol.images.size} pixels, {precision}"
    ratio = Ratio(f"training step : bare network ({what})", ours, bare, ours / bare, "ms")
    return Result((ratio,), rounds, environment.describe(source.device, precision))


def limits(
    protocol: Protocol, *, data_dir: Path | None, cache_dir: Path, accelerator: str, workers: int, rounds: int
) -> Result:
    """Time the machine's fastest product of two matrices, and say what share of it a training step reaches.

    The step's operations are those of convolutions and products in its forward and backward pass, as PyTorch counts
    them; all else that it does is time without any.

    Raises:
        CvsMedError: protocol or data are not as they should be, or the encoder is frozen.
    """
    _require_trained_whole(protocol)
    source = _source(protocol, torch.device(accelerator), data_dir, cache_dir, workers)
    precision = choose(protocol.training.precision, source.device)
    steps = _stepper(protocol, source, source.classes, precision, torch.channels_last)
    with FlopCounterMode(display=False) as counter:
        steps()
    work = counter.get_total_flops() / 1e9
    side = _PEAK_SIDE[source.device.type]
    product, product_32 = (_product(side, source.device, numbers) for numbers in (torch.bfloat16, torch.float32))
    seconds = _alternate([steps, product, product_32], rounds)
    ours, peak, peak_32 = (statistics.median(times) for times in seconds)
    rates = work / ours, _PRODUCTS * 2 * side**3 / 1e9 / peak, _PRODUCTS * 2 * side**3 / 1e9 / peak_32
    used = rates[1] if precision == "bf16" else rates[2]
    ratios = (
        Ratio(f"training step, {precision} : matrix products", rates[0], used, rates[0] / used, "GFLOP/s"),
        Ratio("matrix products, bf16 : fp32", rates[1], rates[2], rates[1] / rates[2], "GFLOP/s"),
    )
    return Result(ratios, rounds, environment.describe(source.device, precision))


def _product(side: int, device: torch.device, numbers: torch.dtype) -> Callable[[], None]:
    """Give a function that multiplies two square matrices a few times."""
    left, right = (torch.ones(side, side, device=device, dtype=numbers) for _ in range(2))
    into = torch.empty_like(left)

    def products() -> None:
        for _ in range(_PRODUCTS):
            torch.mm(left, right, out=into)

    return products


def _require_trained_whole(protocol: Protocol) -> None:
    if protocol.network.trainable != "all":
        raise CvsMedError("Expected a protocol that trains the whole network, found a frozen encoder. Name another.")


def _source(
    protocol: Protocol, device: torch.device, data_dir: Path | None, cache_dir: Path, workers: int
) -> PhotographBatches:
    """Load the training part of a protocol's data set."""
    kind, root = datasets.opened(protocol.dataset, data_dir)
    cases = [case for case in kind.cases(root) if case.part != "test"]
    images = protocol.images
    photographs = cache.load(cases, size=images.size, crop=images.crop, folder=cache_dir, workers=workers)
    labels = torch.tensor([case.label for case in cases])
    return PhotographBatches(photographs, labels, len(kind.class_names), protocol.augmentation, device)


def _bare(protocol: Protocol, source: PhotographBatches, precision: str) -> Callable[[], None]:
    """Build a network and give a function that trains it for a few steps on one batch."""
    torch.manual_seed(0)
    network = place(build_network(protocol, source.classes).train(), source.device)
    optimiser = build_optimiser(network, protocol.training)
    generator = torch.Generator().manual_seed(0)
    batch = source.training(range(_batch(protocol, source)), generator)

    def steps() -> None:
        for _ in range(_STEPS):
            with computing(source.device, precision):
                output = network(batch.inputs, batch.inside)
            if output.map_logits is None:
                loss = cross_entropy(output.class_logits.float(), batch.labels)
            else:
                loss = cross_entropy(output.map_logits.float(), batch.label_map)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()

    return steps


def _batch(protocol: Protocol, source: PhotographBatches) -> int:
    return min(protocol.training.batch_size, len(source.labels))


def predict(run: Path, image: Path, *, rounds: int) -> Result:
    """Time one photograph to its stored overlay, beside decoding it and the bare networks on the same views.

    The networks' pass is the least that the answer needs: the encoder on every mirrored view, and every head.

    Raises:
        CvsMedError: run or photograph are not as they should be.
    """
    device = torch.device("cpu")
    networks = ensemble.read(run, device=device)
    gates = gate_file.of_run(run, networks, lambda done, total: None)
    prepared = stream.prepare(image, networks.recipe)
    views = flips(networks.protocol.augmentation)
    images, inside = (
        torch.cat([view.apply(torch.from_numpy(plane)[None].float() / 255) for view in views])
        for plane in (prepared.image, prepared.field_of_view)
    )
    images = images.contiguous(memory_format=torch.channels_last)
    names = networks.card.class_names
    with tempfile.TemporaryDirectory() as folder:

        def whole() -> None:
            decoded = stream.prepare(image, networks.recipe)
            row, opinion = stream.look(networks, gates, image.name, files.digest(image), decoded)
            pictures.write(Path(folder), row, opinion, decoded, names)

        def bare() -> None:
            read_image(OwnFile(image))
            networks.outputs(images, inside)

        ours, least = (statistics.median(times) for times in _alternate([whole, bare], rounds))
    ratio = Ratio("photograph to stored overlay : decoding and networks", 1000 * ours, 1000 * least, ours / least, "ms")
    return Result((ratio,), rounds, environment.describe(device, networks.precision))


def _stepper(
    protocol: Protocol, source: PhotographBatches, classes: int, precision: str, memory: torch.memory_format
) -> Callable[[], None]:
    """Build a network and give a function that trains it for a few steps."""
    torch.manual_seed(0)
    fabric = Fabric(accelerator=source.device.type, devices=1)
    network: Network = build_network(protocol, classes).train().to(source.device)
    network = network.to(memory_format=memory)  # type: ignore[call-overload] # torch's types lack it
    trained, optimiser = fabric.setup(network, build_optimiser(network, protocol.training))
    generator = torch.Generator().manual_seed(0)
    chosen = list(range(_batch(protocol, source)))

    def steps() -> None:
        for _ in range(_STEPS):
            batch = source.training(chosen, generator)
            inputs = batch.inputs.contiguous(memory_format=memory) if isinstance(batch.inputs, torch.Tensor) else None
            with computing(source.device, precision):
                output = trained(inputs, batch.inside)
            parts = losses.total(output, batch.label_map, batch.labels, batch.inside, protocol.loss)
            optimiser.zero_grad()
            fabric.backward(parts["loss"])
            optimiser.step()

    return steps


def _alternate(functions: Sequence[Callable[[], None]], rounds: int) -> list[list[float]]:
    """Run the functions in turn, once to warm up and then for the rounds, and give the seconds of each."""
    seconds: list[list[float]] = [[] for _ in functions]
    for number in range(rounds + 1):
        for function, times in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            if torch.cuda.is_available():  # A GPU works on after the call has returned.
                torch.cuda.synchronize()
            if number:
                times.append(time.perf_counter() - start)
    return seconds
