"""One fold: train on its training part, answer for its test part, write both down."""

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from cvs_med import baselines, case_arrays, checkpoints, devices, hyperrule, smaller_batch, stages
from cvs_med.augmentation import unit
from cvs_med.batches import FeatureBatches, Lessons, PhotographBatches, RelabelledBatches
from cvs_med.images import read_field_of_view, read_foreground
from cvs_med.inference import Answer, AnsweredMap, predict
from cvs_med.networks import Network, build_network
from cvs_med.networks.fine import FineDecoder
from cvs_med.networks.heads import CvsHead
from cvs_med.precision import place
from cvs_med.protocol import Protocol
from cvs_med.protocol_sections import Augmentation
from cvs_med.setup import Setup, timed
from cvs_med.statistics.metrics import dice
from cvs_med.tables import (
    Segmentation,
    read_predictions,
    read_segmentation,
    write_bytes,
    write_predictions,
    write_segmentation,
)
from cvs_med.training import Epoch, fit
from cvs_med.types import Floats, Prediction


def run_fold(
    setup: Setup, folder: Path, number: int, train: Sequence[int], test: Sequence[int], taught: Setup | None = None
) -> tuple[list[Prediction], list[Segmentation]]:
    """Run one fold, or read it if it is done.

    Args:
        setup: what the folds share.
        folder: the fold's folder; predictions.csv is written last and says that the fold is done.
        number: of the fold, from zero.
        train: cases to learn from, as positions in `setup.cases`.
        test: cases to answer for.
        taught: the same cases with the masks that this fold may learn from; all of `setup` by default.

    Returns:
        A prediction for each test case and, for a method with a map, how well it segmented.
    """
    names = setup.dataset.class_names
    done, maps = folder / "predictions.csv", folder / "segmentation.csv"
    if done.exists():
        checkpoints.remove(folder / checkpoints.FILE)  # It may have been killed just before this.
        return read_predictions(done, names), read_segmentation(maps) if maps.exists() else []
    if setup.protocol.method == "probe":
        shares = baselines.probe(setup.features, setup.protocol.probe, setup.labels, train, test, setup.classes)
        predictions = as_predictions(setup, number, test, shares)
        for case in test:
            _write_maps(setup, folder, case, None)
        rows: list[Segmentation] = []
    else:
        model = train_network(taught or setup, folder, number, train)
        keep_model(folder / "model.safetensors", model)
        with timed(setup.seconds, "prediction"):
            predictions, rows = _answer(setup, folder, number, model, test)
    if rows:
        write_segmentation(maps, rows)
    write_predictions(done, predictions, names)
    checkpoints.remove(folder / checkpoints.FILE)
    return predictions, rows


def as_predictions(setup: Setup, fold: int, cases: Sequence[int], shares: Floats) -> list[Prediction]:
    """Put class probabilities (cases, P) into rows."""
    chosen = [setup.cases[case] for case in cases]
    return [
        Prediction(case.id, case.group or "", fold, case.label, tuple(map(float, row)))
        for case, row in zip(chosen, shares, strict=True)
    ]


def train_network(
    setup: Setup, folder: Path, number: int, train: Sequence[int], shares: Tensor | None = None
) -> Network:
    """Train a copy of the network of its own for this fold, and keep its history; see `run_fold`.

    `shares` are labels instead of the cases' own, see `RelabelledBatches`.

    Raises:
        RunError: memory is not enough, and the protocol does not allow a smaller batch; see `training.fit` for others.
    """
    protocol = smaller_batch.settled(hyperrule.resolved(setup.protocol, len(train)), folder)
    try:
        return _train(setup, protocol, folder, number, train, shares)
    except (RuntimeError, MemoryError) as error:
        if not smaller_batch.is_out_of_memory(error):
            raise
        state = folder / checkpoints.FILE
        said = smaller_batch.halve(protocol, folder, len(train), state, error, setup.devices)
    # Outside of the block above, whose error holds on to the network and the batch that were too much.
    setup.observer.stage(said)
    return train_network(setup, folder, number, train, shares)


def _train(
    setup: Setup, protocol: Protocol, folder: Path, number: int, train: Sequence[int], shares: Tensor | None
) -> Network:
    seed = setup.protocol.splits.seed * 1009 + number
    network = _fresh(setup, seed)
    model = network.head if network.frozen else network
    learn = partial(fit, fabric=setup.fabric)
    if setup.devices > 1:
        learn = partial(devices.fit, count=setup.devices, accelerator=setup.fabric.device.type)
    known = _stage(setup, protocol, folder, number, train, network, learn, seed)
    _calibrate(setup, network, train, setup.photographs.foreground if known is None else known)
    source: Lessons = source_of(setup, network, protocol.augmentation, known)
    if shares is not None:
        source = RelabelledBatches(source, shares, setup.fabric.device)
    with timed(setup.seconds, "training"):
        history = learn(
            model,
            source,
            train,
            protocol,
            precision=setup.precision,
            seed=seed,
            checkpoint=folder / checkpoints.FILE,
            on_epoch=lambda epoch: setup.observer.epoch(number, epoch),
            say=setup.observer.stage,
        )
    _write_history(folder / "history.csv", history)
    return network


def _stage(
    setup: Setup,
    protocol: Protocol,
    folder: Path,
    number: int,
    train: Sequence[int],
    network: Network,
    learn: stages.Learn,
    seed: int,
) -> Tensor | None:
    """Train the stage of a fine decoder, if the network has one, and give the foreground that it finds."""
    decoder = network.head.decoder if isinstance(network.head, CvsHead) else None
    if not isinstance(decoder, FineDecoder):
        return None
    setup.observer.stage(f"Learning the {setup.dataset.foreground} at a finer scale")
    with timed(setup.seconds, "finer scale"):
        stages.train(
            decoder,
            setup.photographs,
            train,
            protocol,
            learn=learn,
            device=setup.fabric.device,
            precision=setup.precision,
            seed=seed,
            checkpoint=folder / checkpoints.FILE,
            told=lambda epoch: setup.observer.counted(epoch.number + 1, epoch.epochs),
            say=setup.observer.stage,
        )
        return stages.foreground(decoder, setup.photographs, train, fabric=setup.fabric, precision=setup.precision)


def keep_model(path: Path, network: Network) -> None:
    """Keep what was trained: the head alone on a frozen encoder."""
    trained = network.head if network.frozen else network
    write_bytes(path, save({name: value.contiguous() for name, value in trained.state_dict().items()}))


def untrained(setup: Setup, seed: int, train: Sequence[int]) -> Network:
    """Give the network that a training on these cases begins with, where no stage is trained before."""
    network = _fresh(setup, seed)
    _calibrate(setup, network, train, setup.photographs.foreground)
    return network


def _fresh(setup: Setup, seed: int) -> Network:
    """Give a network with the encoder as loaded and a head drawn anew from the fold's seed."""
    torch.manual_seed(seed)
    network = build_network(setup.protocol, setup.classes)
    if network.frozen:
        network.encoder = setup.network.encoder
    else:
        network.encoder.load_state_dict(setup.network.encoder.state_dict())
    return place(network, setup.fabric.device)


def _calibrate(setup: Setup, network: Network, train: Sequence[int], foreground: Tensor) -> None:
    """Standardise the linear part by the training part, in all its views, and the signs outside of the foreground."""
    chosen, photographs = list(train), setup.photographs
    for number, sign in enumerate(network.head.signs if isinstance(network.head, CvsHead) else []):
        seen = cast(Tensor, photographs.signs)[:, number, None]
        planes = seen, foreground, photographs.field_of_view
        sign.calibrate(
            # One by one, to need little memory.
            [unit(plane[case : case + 1].to(setup.fabric.device)) for plane in planes]
            for case in chosen
        )
    if not network.frozen:
        return
    means, deviations = (
        {level: values[:, chosen].flatten(0, 1) for level, values in pooled.items()}
        for pooled in (setup.features.means, setup.features.deviations)
    )
    network.head.calibrate({level: (means[level], deviations[level]) for level in means})


def source_of(
    setup: Setup, network: Network, augmentation: Augmentation, known: Tensor | None = None
) -> FeatureBatches | PhotographBatches:
    """Give what a network trains on and answers for: photographs, or features of its frozen encoder.

    `known` is the foreground that a stage has found already; see `FeatureBatches`.
    """
    labels, device = torch.from_numpy(setup.labels), setup.fabric.device
    if network.frozen:
        return FeatureBatches(setup.photographs, setup.features, network.head.levels, labels, device, known)
    return PhotographBatches(setup.photographs, labels, setup.classes, augmentation, device)


def _answer(
    setup: Setup, folder: Path, number: int, network: Network, test: Sequence[int]
) -> tuple[list[Prediction], list[Segmentation]]:
    source = source_of(setup, network, setup.protocol.augmentation)
    shares, rows = [], []
    for case in test:
        answer = predict(
            network, source, case, device=setup.fabric.device, precision=setup.precision
        )
        shares.append(answer.probabilities.numpy())
        if answer.map is not None:
            rows.append(_measure(setup, number, case, answer.map))
        _write_maps(setup, folder, case, answer)
    return as_predictions(setup, number, test, np.stack(shares)), rows


def _measure(setup: Setup, fold: int, number: int, found: AnsweredMap) -> Segmentation:
    """Compare the predicted foreground with the reference, at working and at native size, inside the field of view."""
    photographs, case, foreground = setup.photographs, setup.cases[number], found.foreground
    seen, gold = (plane[number].numpy() >= 128 for plane in (photographs.field_of_view, photographs.foreground))
    predicted = foreground.numpy() >= 0.5
    fraction = float(predicted[seen].mean())
    geometry = photographs.geometries[number]
    shape = (geometry.height, geometry.width)
    native_gold = read_foreground(case, shape)
    if native_gold is None:
        return Segmentation(case.id, fold, None, None, fraction, None)
    native_seen = read_field_of_view(case, shape)
    native = geometry.to_native((foreground if found.finest is None else found.finest).numpy()) >= 0.5
    overlaps = dice(predicted, gold, seen), dice(native, native_gold, native_seen)
    return Segmentation(case.id, fold, *overlaps, fraction, float(gold[seen].mean()))


def _write_maps(setup: Setup, folder: Path, number: int, answer: Answer | None) -> None:
    """Keep what pages and pictures need of one case."""
    photographs, case = setup.photographs, setup.cases[number]
    seen = (photographs.field_of_view[number] >= 128).byte().numpy()
    image = photographs.images[number].permute(1, 2, 0).numpy()
    arrays: dict[str, np.typing.NDArray[np.generic]] = {"image": image, "field_of_view": seen}
    if photographs.has_mask[number]:
        arrays["gold"] = (photographs.foreground[number] >= 128).byte().numpy()
    if answer is not None and answer.map is not None:
        arrays |= case_arrays.of_map(answer.map.pixels.numpy(), seen)
    if answer is not None and answer.evidence is not None:
        arrays |= case_arrays.of_evidence(answer.evidence.shares.numpy(), answer.evidence.scores.numpy())
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    write_bytes(folder / "maps" / f"{case.id}.npz", stream.getvalue())


def _write_history(path: Path, history: Sequence[Epoch]) -> None:
    parts = list(history[0].parts)
    lines = [",".join(["epoch", *parts, "seconds"])]
    for epoch in history:
        losses = [f"{epoch.parts[name]:.6f}" for name in parts]
        lines.append(",".join([str(epoch.number + 1), *losses, f"{epoch.seconds:.3f}"]))
    write_bytes(path, ("\n".join(lines) + "\n").encode())
