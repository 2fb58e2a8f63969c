"""One cross-validation, from the photographs to predictions.csv; killed and started again, it goes on."""

from collections.abc import Callable, Sequence
from pathlib import Path

from safetensors.torch import save

from cvs_med import baselines, environment, run_folder
from cvs_med.evaluation import DatasetCard, Folds, read_json
from cvs_med.folds import as_predictions, run_fold
from cvs_med.protocol import Protocol
from cvs_med.run_folder import RunFolder
from cvs_med.setup import Observer, Setup, prepare, timed
from cvs_med.splits import k_folds
from cvs_med.tables import write_bytes, write_predictions, write_segmentation
from cvs_med.types import Floats

Parts = Sequence[tuple[Sequence[int], Sequence[int]]]

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

    Raises:
        CvsMedError: data, weights, folders or the training are not as they should be; what was computed stays.
    """
    with run_folder.opened(out, protocol) as folder:
        setup = prepare(
            protocol,
            data_dir=data_dir,
            cache_dir=cache_dir,
            accelerator=accelerator,
            workers=workers,
            observer=observer,
        )
        folder.require_same("inputs.json", {"photographs": setup.photographs.key, "encoder": setup.encoder})
        parts = _parts(setup, _deal(setup, folder))
        folder.require_room(_bytes_to_come(setup, [part for n, part in enumerate(parts) if not folder.done(n)]))
        describe(setup, folder)
        _run_folds(setup, folder, parts)
        _run_baselines(setup, folder, parts)
        facts = environment.describe(setup.fabric.device, setup.precision)
        facts |= _add_up(folder.path / "environment.json", setup.seconds)
        facts["peak memory, GB"] = round(environment.peak_memory_gigabytes(), 2)
        folder.write_json("environment.json", facts)


def _add_up(file: Path, seconds: dict[str, float]) -> dict[str, float]:
    """Add the seconds of this process to those of earlier ones that worked on the same run."""
    earlier = read_json(file, dict[str, str | float]) if file.exists() else {}
    total = {name: float(value) for name, value in earlier.items() if name.startswith("seconds: ")}
    for stage, value in seconds.items():
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
    """Estimate what the unfinished folds will write: models, two checkpoints while one replaces the other, maps."""
    protocol = setup.protocol
    pictures: int = sum(len(test) for _, test in unfinished) * protocol.images.size**2 * _BYTES_A_PIXEL
    if protocol.method == "probe" or not unfinished:
        return pictures
    trained = setup.network.head if setup.network.frozen else setup.network
    model: int = sum(value.nbytes for value in trained.state_dict().values())
    states = {"sgd": 1, "adamw": 2}[protocol.training.optimiser]
    return pictures + model * (len(unfinished) + 2 * (1 + states))


def describe(setup: Setup, folder: RunFolder) -> None:
    """Write what the data set is, and the encoder if it stays as it was loaded."""
    facts = {name: getattr(setup.dataset, name) for name in DatasetCard.model_fields if name != "cases"}
    folder.write_json("dataset.json", facts | {"cases": len(setup.cases)})
    if setup.network.frozen and not (folder.path / "encoder.safetensors").exists():
        encoder = {name: value.contiguous() for name, value in setup.network.encoder.state_dict().items()}
        write_bytes(folder.path / "encoder.safetensors", save(encoder))


def _run_folds(setup: Setup, folder: RunFolder, parts: Parts) -> None:
    predictions, rows = [], []
    for number, (train, test) in enumerate(parts):
        setup.observer.stage(f"Fold {number + 1} of {len(parts)}: {len(train)} to learn from, {len(test)} to test")
        found, segmented = run_fold(setup, folder.fold(number), number, train, test)
        predictions += found
        rows += segmented
    if rows:
        write_segmentation(folder.path / "segmentation.csv", rows)
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
