"""The networks of a run folder, read as numbers alone, and their common answer for a photograph."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cvs_med import protocol as protocols
from cvs_med.augmentation import flips
from cvs_med.decisions import Abstention, abstention
from cvs_med.errors import ProtocolError, RunError
from cvs_med.evaluation import DatasetCard, Folds, decided, read_json
from cvs_med.features import pool
from cvs_med.inference import Answer, agree, conclude
from cvs_med.networks import Network, build_network
from cvs_med.precision import Precision, choose, computing, place
from cvs_med.protocol import Protocol
from cvs_med.transforms import Prepared
from cvs_med.types import Output

MODEL: Final = "model.safetensors"
ENCODER: Final = "encoder.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """What an ensemble says of one photograph.

    Attributes:
        answer: of the ensemble; see `inference.agree`.
        members: (K, P), the probabilities of each of the K networks.
        pooled: (2 C,), mean and deviation of one level of the encoder over the field of view, for the gates.
    """

    answer: Answer
    members: Tensor
    pooled: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """The networks of a run; those with a frozen encoder share it.

    Attributes:
        protocol: what they were trained by.
        card: the data set they were trained on; its class names are in the order of the probabilities.
        networks: one a fold, or a single final one.
        device: where to compute.
        precision: bf16 or fp32.
        abstention: which answers are too unsure; None where the run chose no thresholds.
    """

    protocol: Protocol
    card: DatasetCard
    networks: tuple[Network, ...]
    device: torch.device
    precision: Precision
    abstention: Abstention | None = None

    def consider(self, prepared: Prepared) -> Opinion:
        """Answer for a photograph, averaged over its mirrored views and over the networks."""
        image, inside = (
            plane.to(self.device).float()[None] / 255 for plane in (prepared.image, prepared.field_of_view)
        )
        views = flips(self.protocol.augmentation)
        seen = [view.apply(inside) for view in views]
        images = torch.cat([view.apply(image) for view in views]).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            outputs, pooled = self.outputs(images, torch.cat(seen))
            answers = [
                conclude(network.head, [(view, _row(output, n), seen[n]) for n, view in enumerate(views)])
                for network, output in zip(self.networks, outputs, strict=True)
            ]
            members = torch.stack([answer.probabilities for answer in answers])
            return Opinion(agree(self.networks[0].head, answers), members, pooled)

    def outputs(self, images: Tensor, inside: Tensor) -> tuple[list[Output], Tensor]:
        """Run every network on images (B, 3, S, S); a frozen encoder runs once for all heads.

        Returns:
            The K outputs, and `Opinion.pooled` of the first image by the first network's encoder.
        """
        first, frozen = self.networks[0], self.networks[0].frozen
        with torch.inference_mode(), computing(self.device, self.precision):
            features = first.features(images)
            outputs = [
                network.head(features if frozen or number == 0 else network.features(images), inside)
                for number, network in enumerate(self.networks)
            ]
        return outputs, self._pooled(features, inside)

    def pooled(self, image: Tensor, field_of_view: Tensor) -> Tensor:
        """Give `Opinion.pooled` of an image (3, S, S) and its field of view (S, S), 8 bits each, without an answer."""
        values, inside = (plane.to(self.device).float()[None] / 255 for plane in (image, field_of_view))
        with torch.inference_mode(), computing(self.device, self.precision):
            features = self.networks[0].features(values.contiguous(memory_format=torch.channels_last))
        return self._pooled(features, inside)

    def _pooled(self, features: Mapping[int, Tensor], inside: Tensor) -> Tensor:
        feature = features[self.protocol.probe.level]
        return torch.cat(pool(feature[:1], inside[:1, None]), dim=1)[0].double().cpu()


def _row(output: Output, number: int) -> Output:
    chosen = slice(number, number + 1)
    return Output(output.class_logits[chosen], None if output.map_logits is None else output.map_logits[chosen])


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
        device,
        choose(wanted, device),  # type: ignore[arg-type] # click chose it
        abstention(decisions) if decisions else None,
    )


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
