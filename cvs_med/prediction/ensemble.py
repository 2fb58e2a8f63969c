"""The networks of a run folder, read as numbers alone, and their common answer for a photograph."""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cvs_med import protocol as protocols
from cvs_med.augmentation import View, flips
from cvs_med.batches import folded
from cvs_med.decisions import Abstention, Decisions
from cvs_med.errors import ProtocolError, RunError
from cvs_med.evaluation import DatasetCard, Folds, decided, read_json
from cvs_med.features import pool
from cvs_med.inference import Answer, conclude
from cvs_med.networks import Network, abreast, build_network
from cvs_med.networks.fine import FineDecoder
from cvs_med.networks.fused import fuse
from cvs_med.networks.heads import CvsHead
from cvs_med.precision import Precision, choose, computing, place
from cvs_med.prediction.files import digest
from cvs_med.prediction.opinion import Opinion, Recipe
from cvs_med.protocol import Protocol
from cvs_med.squares import Square
from cvs_med.types import Array, Floats, Output

MODEL: Final = "model.safetensors"
ENCODER: Final = "encoder.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """The networks of a run; those with a frozen encoder share it.

    Attributes:
        protocol: what they were trained by.
        card: the data set they were trained on; its class names are in the order of the probabilities.
        networks: one a fold, or a single final one.
        identity: a digest of their files.
        device: where to compute.
        precision: bf16 or fp32.
        decisions: what the run decided inside its training parts, without cases; None where nothing was.
    """

    protocol: Protocol
    card: DatasetCard
    networks: tuple[Network, ...]
    identity: str
    device: torch.device
    precision: Precision
    decisions: Decisions | None = None

    @property
    def abstention(self) -> Abstention | None:
        """Which answers are too unsure; None where the run chose no thresholds."""
        return self.decisions.together if self.decisions else None

    @property
    def recipe(self) -> Recipe:
        """How a photograph is prepared."""
        images, card = self.protocol.images, self.card
        return Recipe(
            class_names=card.class_names, size=images.size, crop=images.crop, surroundings=card.surroundings,
            reading=card.reading, abstention=self.abstention, finer=self._finer, harmonise=images.harmonise,
            fine=self.protocol.preparation["fine"], fibres=images.fibres and self.protocol.method == "cvs",
        )  # fmt: skip

    @property
    def _finer(self) -> int:
        """Where spots are looked for: nowhere by networks of other methods, whatever the protocol says."""
        return self.protocol.images.finer if self.protocol.method == "cvs" else 0

    def fused(self) -> "Ensemble":
        """Make the networks quicker, in place, for answers alone; see `networks.fused`."""
        parts = {id(network.encoder): network.encoder for network in self.networks}  # One, where it is frozen.
        decoders = [network.head.decoder for network in self.networks if isinstance(network.head, CvsHead)]
        for part in [*parts.values(), *(decoder.stage for decoder in decoders if isinstance(decoder, FineDecoder))]:
            fuse(part)
        return self

    def consider(self, prepared: Square) -> Opinion:
        """Answer for a photograph, averaged over its mirrored views and over the networks."""
        views = flips(self.protocol.augmentation)
        images, inside = self._inputs(prepared.planes, prepared.field_of_view)
        with torch.inference_mode():
            seen = torch.cat([view.apply(inside) for view in views])
            looked = torch.cat([seen_by(view, images, self.recipe.plain) for view in views])
            looked = looked.contiguous(memory_format=torch.channels_last)
            outputs, pooled = self.outputs(looked, seen)
            together, members = decide(self.networks, outputs, views, seen)
        answer = together.case(0)
        return Opinion(
            answer.probabilities.numpy(),
            members[0].numpy(),
            pooled[0].double().cpu().numpy(),
            None if answer.map is None else answer.map.pixels.numpy(),
            None if answer.evidence is None else answer.evidence.shares.numpy(),
            None if answer.evidence is None else answer.evidence.scores.numpy(),
            None if answer.map is None or answer.map.finest is None else answer.map.finest.numpy(),
        )

    def outputs(self, images: Tensor, inside: Tensor) -> tuple[list[Output], Tensor]:
        """Run every network; see `run`."""
        with torch.inference_mode(), computing(self.device, self.precision):
            outputs, features = run(self.networks, images, inside)
        return outputs, pooled(features, inside, self.protocol.probe.level)

    def pooled(self, image: Array, field_of_view: Array) -> Floats:
        """Give `Opinion.pooled` of an image (3, S, S) and its field of view (S, S), 8 bits each, without an answer."""
        values, inside = self._inputs(image, field_of_view)
        with torch.inference_mode(), computing(self.device, self.precision):
            features = self.networks[0].features(values.contiguous(memory_format=torch.channels_last))
        found: Floats = pooled(features, inside, self.protocol.probe.level)[0].double().cpu().numpy()
        return found

    def _inputs(self, image: Array, field_of_view: Array) -> tuple[Tensor, Tensor]:
        """Give an image and its field of view as batches of one, 0 to 1."""
        values, inside = (
            torch.from_numpy(plane).to(self.device).float()[None] / 255 for plane in (image, field_of_view)
        )
        return values, inside


def seen_by(view: View, images: Tensor, plain: int) -> Tensor:
    """Show images (B, 3 or more, S, S) mirrored, the finer square behind the plain planes in its own pixels."""
    if images.shape[1] <= plain:
        return view.apply(images)
    return torch.cat([view.apply(images[:, :plain]), folded(view, images[:, plain:])], dim=1)


def run(
    networks: Sequence[Network], images: Tensor, inside: Tensor, heads: abreast.Way = abreast.outputs
) -> tuple[list[Output], Mapping[int, Tensor]]:
    """Run every network on images (B, 3 or more, S, S) of fields of view (B, S, S); a frozen encoder runs once.

    Args:
        networks: K of them, in evaluation mode.
        images: RGB in 0 to 1, and behind them what else the networks look at; see `squares.Square.planes`.
        inside: the fields of view.
        heads: how the heads of a frozen encoder answer.

    Returns:
        The K outputs, and the levels of the first network's encoder.
    """
    features = networks[0].features(images)
    if networks[0].frozen:
        return heads([network.head for network in networks], features, inside), features
    others = [network.head(network.features(images), inside) for network in networks[1:]]
    return [networks[0].head(features, inside), *others], features


def pooled(features: Mapping[int, Tensor], inside: Tensor, level: int) -> Tensor:
    """Pool a level of B images over their fields of view: means and deviations, (B, 2 C)."""
    return torch.cat(pool(features[level], inside[:, None]), dim=1)


def decide(
    networks: Sequence[Network], outputs: Sequence[Output], views: Sequence[View], inside: Tensor
) -> tuple[Answer, Tensor]:
    """Average outputs for V views of B images, (V B, ...), over the views and over the networks.

    Returns:
        The common answer of the batch, and the probabilities of each network, (B, K, P).
    """
    by_network = [_looks(output, views) for output in outputs]
    looks = list(zip(views, zip(*by_network, strict=True), _of_views(inside, views), strict=True))
    return conclude([network.head for network in networks], looks)


def _looks(output: Output, views: Sequence[View]) -> list[Output]:
    """Part the output for V views of a batch."""
    parts = [[None] * len(views) if part is None else _of_views(part, views) for part in output]
    return list(map(Output, *parts))


def _of_views(values: Tensor, views: Sequence[View]) -> Sequence[Tensor]:
    return values.reshape(len(views), -1, *values.shape[1:]).unbind(0)


def one(ensemble: Ensemble, fold: int) -> Ensemble:
    """Take one network, counted from zero, for an ensemble of its own, with the threshold of its own fold.

    A final model is of no fold, and keeps the rule for all folds together.

    Raises:
        RunError: there is no such fold.
    """
    if not 0 <= fold < len(ensemble.networks):
        raise RunError(f"Expected a fold of 0 to {len(ensemble.networks) - 1}, found {fold}. Name one of them.")
    if len(ensemble.networks) == 1:
        return ensemble
    decisions = ensemble.decisions.of(fold) if ensemble.decisions else None
    return replace(ensemble, networks=(ensemble.networks[fold],), decisions=decisions)


def read(run: Path, *, device: torch.device, precision: str | None = None) -> Ensemble:
    """Read the networks of a finished cross-validation, or the one of a final model.

    Args:
        run: folder that `cv` or `train` wrote.
        device: where to compute.
        precision: auto, bf16 or fp32; None takes the run's.

    Raises:
        RunError: the run is of a method without networks, is not finished, or a file is damaged or of another network.
    """
    protocol = read_protocol(run)
    if protocol.method == "probe":
        raise RunError(f"{run} is a run of `method: probe`, which keeps no model of its folds. Name a run of another.")
    card = read_json(run / "dataset.json", DatasetCard)
    files = model_files(run)
    network = build_network(protocol, len(card.class_names))
    if network.frozen:
        _load(network.encoder, run / ENCODER)
        networks = [Network(network.encoder, copy.deepcopy(network.head), frozen=True) for _ in files]
    else:
        networks = [copy.deepcopy(network) for _ in files]
    for member, file in zip(networks, files, strict=True):
        _load(member.head if member.frozen else member, file)
    placed = tuple(place(member, device).eval() for member in networks)
    wanted = protocol.training.precision if precision is None else precision
    decisions = decided.read(run)
    return Ensemble(
        protocol,
        card,
        placed,
        identity(run),
        device,
        choose(wanted, device),  # type: ignore[arg-type] # click chose it
        decisions.rule_alone() if decisions else None,
    )


def identity(run: Path) -> str:
    """Say which networks a run holds: a digest of their files."""
    files = [*model_files(run), run / ENCODER]
    return hashlib.sha256("".join(digest(file) for file in files if file.exists()).encode()).hexdigest()


def read_protocol(run: Path) -> Protocol:
    """Read the protocol of a run.

    Raises:
        RunError: there is none, it is not valid, or each fold chose a protocol of its own.
    """
    file = run / "protocol.yaml"
    if not file.is_file():
        raise RunError(f"{file}: expected the protocol of a run, found none. Is {run} the folder of a run?")
    try:
        found = protocols.load(str(file))
    except ProtocolError as error:
        raise RunError(f"{error} Is {run} the folder of a run?") from error
    if found.inner.select:
        raise RunError(f"{run}: expected a run of one protocol, found folds that each chose their own. Name another.")
    return found


def model_files(run: Path) -> Sequence[Path]:
    """List the files of the networks: one of a final model, else one for each fold of folds.json.

    Raises:
        RunError: folds.json is missing or damaged, or a fold is not finished.
    """
    if (run / MODEL).exists():
        return [run / MODEL]
    count = len(read_json(run / "folds.json", Folds).folds)
    files = [run / f"fold-{number}" / MODEL for number in range(count)]
    missing = [file.parent.name for file in files if not file.exists()]
    if missing:
        raise RunError(f"{run}: expected a model in every fold, found none in {', '.join(missing)}. Finish the run.")
    return files


def _load(module: torch.nn.Module, file: Path) -> None:
    try:
        state = load_file(file)
        unfit = [name for name, value in state.items() if not bool(torch.isfinite(value.float()).all())]
        if unfit:
            raise ValueError(f"numbers that are not finite in {unfit[0]}")
        module.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        said = "; ".join(line.strip() for line in str(error).splitlines()[:2])
        raise RunError(
            f"{file}: expected the numbers of this run's network, found a file that is damaged or of another network "
            f"({said[:300]}). Restore it, or run the experiment again in a new folder."
        ) from error
