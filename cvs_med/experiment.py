"""One cross-validation, from the photographs to predictions.csv; killed and started again, it goes on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from safetensors.torch import save

from cvs_med import baselines, checkpoints, environment, run_folder, smaller_batch
from cvs_med.errors import ProtocolError
from cvs_med.evaluation import DatasetCard, Folds, read_json
from cvs_med.folds import as_predictions, run_fold
from cvs_med.protocol import Protocol, dump
from cvs_med.run_folder import RunFolder
from cvs_med.selection import Choice, choose, record
from cvs_med.setup import Observer, Setup, prepare, timed
from cvs_med.splits import k_folds
from cvs_med.tables import Segmentation, write_bytes, write_predictions, write_segmentation
from cvs_med.types import Floats, Prediction

Parts = Sequence[tuple[Sequence[int], Sequence[int]]]

Setups = Mapping[str, Setup]
"""What the folds share, for each protocol that they choose from."""

_ONLY = ""
"""Name of the protocol of a run that chooses nothing."""

_BYTES_A_PIXEL = 24
"""Of a case's maps and overlay, before compression."""


def cross_validate(
    protocol: Protocol,
    out: Path,
    *,
    data_dir: Path | None,
    cache_dir: Path,
    accelerator: str,
    workers: int,
    observer: Observer,
    candidates: Mapping[str, Protocol] | None = None,
) -> None:
    """Run every fold of a protocol, and the baselines on the same folds, into a run folder.

    Args:
        protocol: the experiment.
        out: run folder, new or of the same protocol; finished folds and epochs in it are kept.
        data_dir: see `setup.prepare`, as the rest.
        cache_dir: see `setup.prepare`.
        accelerator: auto, cpu or cuda.
        workers: threads that decode.
        observer: told of progress.
        candidates: protocols by name, of which each fold chooses one inside its training part; then `protocol` is what
            `selection.selecting` says of them.

    Raises:
        CvsMedError: data, weights, folders or the training are not as they should be; what was computed stays.
    """
    for each in (candidates or {_ONLY: protocol}).values():
        _require_labels_to_be_enough(each)
    if protocol.inner.select and not candidates:
        raise ProtocolError("Expected the protocols to choose from, found only their checksums in inner.select. Name "
                            "them with --select.")  # fmt: skip
    with run_folder.opened(out, protocol) as folder:
        setups = {
            name: prepare(
                each.model_copy(update={"splits": protocol.splits}),
                data_dir=data_dir,
                cache_dir=cache_dir,
                accelerator=accelerator,
                workers=workers,
                observer=observer,
            )
            for name, each in (candidates or {_ONLY: protocol}).items()
        }
        setup = next(iter(setups.values()))
        folder.require_same("inputs.json", _inputs(setups))
        parts = _parts(setup, _deal(setup, folder))
        unfinished = [part for n, part in enumerate(parts) if not folder.done(n)]
        folder.require_room(max(_bytes_to_come(each, unfinished) for each in setups.values()))
        describe(setups, folder)
        _run_folds(setups, folder, parts)
        _run_baselines(setup, folder, parts)
        facts = environment.describe(setup.fabric.device, setup.precision)
        facts |= _add_up(folder.path / "environment.json", [each.seconds for each in setups.values()])
        facts |= smaller_batch.recorded(folder.path)
        facts["peak memory, GB"] = round(environment.peak_memory_gigabytes(), 2)
        folder.write_json("environment.json", facts)


def _require_labels_to_be_enough(protocol: Protocol) -> None:
    """Refuse a method that propagates labels: every case of a fold's training part has one.

    Raises:
        ProtocolError: says what to ask for instead.
    """
    if protocol.method == "transfer":
        raise ProtocolError(
            "Expected a method that learns from labelled cases alone, found transfer: in a cross-validation every "
            "training case has a label, and none is left to propagate to. Use `cvs-med sweep`, which labels a few "
            "images of each class, or ask for --method probe or classification."
        )


def _add_up(file: Path, seconds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Add the seconds of this process, of each protocol's, to those of earlier ones that came to the end of the run.

    Those of a process that was killed are lost.
    """
    earlier = read_json(file, dict[str, str | float]) if file.exists() else {}
    total = {name: float(value) for name, value in earlier.items() if name.startswith("seconds: ")}
    for stage, value in (item for each in seconds for item in each.items()):
        total[f"seconds: {stage}"] = round(total.get(f"seconds: {stage}", 0.0) + value, 2)
    return total


def _deal(setup: Setup, folder: RunFolder) -> Folds:
    """Deal the cases into folds and write folds.json before anything is trained; or read the folds of this run."""
    file = folder.path / "folds.json"
    splits = setup.protocol.splits
    folds = Folds(kind=splits.kind, seed=splits.seed, folds=k_folds(setup.cases, splits))
    if not file.exists():
        folder.write_json(file.name, folds.model_dump())
    elif read_json(file, Folds) != folds:
        raise run_folder.changed(folder.path, file.name)
    return folds


def _parts(setup: Setup, folds: Folds) -> Parts:
    position = {case.id: number for number, case in enumerate(setup.cases)}
    tests = [[position[name] for name in fold] for fold in folds.folds]
    everyone = range(len(position))
    return [([number for number in everyone if number not in set(test)], test) for test in tests]


def _bytes_to_come(setup: Setup, unfinished: Parts) -> int:
    """Estimate what the unfinished folds will write: models, checkpoints, maps."""
    protocol = setup.protocol
    pictures: int = sum(len(test) for _, test in unfinished) * protocol.images.size**2 * _BYTES_A_PIXEL
    if protocol.method == "probe" or not unfinished:
        return pictures
    trained = setup.network.head if setup.network.frozen else setup.network
    model: int = sum(value.nbytes for value in trained.state_dict().values())
    states = {"sgd": 1, "adamw": 2}[protocol.training.optimiser]
    return pictures + model * (len(unfinished) + checkpoints.COPIES * (1 + states))


def _inputs(setups: Setups) -> dict[str, str]:
    """Say what the run rests on; of several protocols, of each."""
    return {
        f"{what}: {name}" if name else what: value
        for name, setup in setups.items()
        for what, value in setup.inputs.items()
    }


def describe(setups: Setups, folder: RunFolder) -> None:
    """Write dataset.json, each candidate's protocol, and the encoders that stay as they are."""
    setup = next(iter(setups.values()))
    facts = {name: getattr(setup.dataset, name) for name in DatasetCard.model_fields if name != "cases"}
    card = DatasetCard.model_validate(facts | {"cases": len(setup.cases)})
    folder.write_json("dataset.json", card.model_dump(mode="json"))
    for name, each in setups.items():
        place = folder.path / "candidates" / name if name else folder.path
        place.mkdir(parents=True, exist_ok=True)
        if name:
            write_bytes(place / "protocol.yaml", dump(each.protocol).encode())
        if each.network.frozen and not (place / "encoder.safetensors").exists():
            encoder = {key: value.contiguous() for key, value in each.network.encoder.state_dict().items()}
            write_bytes(place / "encoder.safetensors", save(encoder))


def _run_folds(setups: Setups, folder: RunFolder, parts: Parts) -> None:
    predictions: list[Prediction] = []
    rows: list[Segmentation] = []
    choices: list[Choice] = []
    setup = next(iter(setups.values()))
    for number, (train, test) in enumerate(parts):
        name = _ONLY
        if name not in setups:
            choices.append(choose(setups, folder.fold(number) / "inner", number, train))
            name = choices[-1].chosen
        setup.observer.stage(f"Fold {number + 1} of {len(parts)}: {len(train)} to learn from, {len(test)} to test")
        found, segmented = run_fold(setups[name], folder.fold(number), number, train, test)
        predictions += found
        # Folds that chose a protocol without a map still have their rows, which say that nothing is known.
        rows += segmented or [Segmentation(row.case_id, row.fold, None, None, None, None) for row in found]
    if any(row.predicted_fraction is not None for row in rows):
        write_segmentation(folder.path / "segmentation.csv", rows)
    if choices:
        folder.write_json("selection.json", record(choices))
    write_predictions(folder.path / "predictions.csv", predictions, setup.dataset.class_names)


def _run_baselines(setup: Setup, folder: RunFolder, parts: Parts) -> None:
    """Write a table for every baseline that the data allow."""
    setup.observer.stage("Trivial baselines on the same folds")
    with timed(setup.seconds, "baselines"):
        for name, guess in _baselines(setup).items():
            predictions = [
                row
                for number, (train, test) in enumerate(parts)
                for row in as_predictions(setup, number, test, guess(train, test))
            ]
            write_predictions(folder.baseline(name), predictions, setup.dataset.class_names)


def _baselines(setup: Setup) -> dict[str, Callable[[Sequence[int], Sequence[int]], Floats]]:
    labels, classes = setup.labels, setup.classes
    chosen: dict[str, Callable[[Sequence[int], Sequence[int]], Floats]] = {
        "majority": lambda train, test: baselines.majority(labels, train, test, classes)
    }
    if all(setup.photographs.has_mask):
        chosen["mask-area"] = lambda train, test: baselines.mask_area(setup.photographs, labels, train, test, classes)
    if setup.protocol.method != "probe":
        settings = setup.protocol.probe
        chosen["probe"] = lambda train, test: baselines.probe(setup.features, settings, labels, train, test, classes)
    return chosen
