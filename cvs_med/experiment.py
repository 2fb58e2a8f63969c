"""One cross-validation, from the photographs to predictions.csv; killed and started again, it goes on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import save

from cvs_med import checkpoints, environment, run_folder, smaller_batch
from cvs_med.answering import ONLY, Parts, Prepared, Setups, run_baselines, run_folds
from cvs_med.errors import ProtocolError
from cvs_med.evaluation import DatasetCard, Folds, read_json
from cvs_med.observers import Observer
from cvs_med.propagation import few_masks
from cvs_med.protocol import Protocol, dump
from cvs_med.run_folder import RunFolder
from cvs_med.setup import Machine, Setup, prepare
from cvs_med.splits import k_folds
from cvs_med.tables import write_bytes

_BYTES_A_PIXEL = 24
"""Of a case's maps and overlay, before compression."""


def cross_validate(
    protocol: Protocol,
    out: Path,
    *,
    data_dir: Path | None,
    machine: Machine,
    observer: Observer,
    candidates: Mapping[str, Protocol] | None = None,
) -> None:
    """Run every fold of a protocol, and the baselines on the same folds, into a run folder.

    Args:
        protocol: the experiment.
        out: run folder, new or of the same protocol; finished folds and epochs in it are kept.
        data_dir: see `setup.prepare`, as the rest.
        machine: where to compute.
        observer: told of progress.
        candidates: protocols by name, of which each fold chooses one inside its training part; then `protocol` is what
            `selection.selecting` says of them.

    Raises:
        CvsMedError: data, weights, folders or the training are not as they should be; what was computed stays.
    """
    with begun(
        protocol,
        out,
        data_dir=data_dir,
        machine=machine,
        observer=observer,
        candidates=candidates,
    ) as (folder, run):
        run_folds(run, folder)
        setup = next(iter(run.setups.values()))
        run_baselines(setup, folder, run.parts)
        facts = environment.describe(setup.fabric.device, setup.precision)
        facts |= _add_up(folder.path / "environment.json", [each.seconds for each in run.setups.values()])
        facts |= {"devices": machine.devices} if machine.devices > 1 else {}
        facts |= smaller_batch.recorded(folder.path)
        facts["peak memory, GB"] = round(environment.peak_memory_gigabytes(), 2)
        folder.write_json("environment.json", facts)


@contextmanager
def begun(
    protocol: Protocol,
    out: Path,
    *,
    data_dir: Path | None,
    machine: Machine,
    observer: Observer,
    candidates: Mapping[str, Protocol] | None = None,
) -> Iterator[tuple[RunFolder, Prepared]]:
    """Open a run folder, check all, and write down what the run rests on; then any process can run its folds.

    Raises:
        CvsMedError: see `cross_validate`.
    """
    for each in (candidates or {ONLY: protocol}).values():
        _require_labels_to_be_enough(each)
    if protocol.inner.select and not candidates:
        raise ProtocolError("Expected the protocols to choose from, found only their checksums in inner.select. Name "
                            "them with --select.")  # fmt: skip
    with run_folder.opened(out, protocol) as folder:
        run = prepared(protocol, candidates, data_dir=data_dir, machine=machine, observer=observer)
        setup = next(iter(run.setups.values()))
        require_inputs(folder, run)
        _keep_folds(setup, folder)
        if protocol.masks.per_class:
            few_masks.require_enough(setup, [train for train, _ in run.parts])
        unfinished = [part for number, part in enumerate(run.parts) if not folder.done(number)]
        folder.require_room(max(_bytes_to_come(each, unfinished) for each in run.setups.values()))
        describe(run.setups, folder)
        yield folder, run


def prepared(
    protocol: Protocol,
    candidates: Mapping[str, Protocol] | None,
    *,
    data_dir: Path | None,
    machine: Machine,
    observer: Observer,
) -> Prepared:
    """Read what the folds share, and deal them.

    Raises:
        CvsMedError: see `setup.prepare`.
    """
    setups = {
        name: prepare(
            each.model_copy(update={"splits": protocol.splits}),
            data_dir=data_dir,
            machine=machine,
            observer=observer,
        )
        for name, each in (candidates or {ONLY: protocol}).items()
    }
    setup = next(iter(setups.values()))
    return Prepared(setups, _parts(setup, _dealt(setup)))


def require_inputs(folder: RunFolder, run: Prepared) -> None:
    """Write what the run rests on, or see that it is the same.

    Raises:
        RunError: the run was begun with other photographs, labels or weights.
    """
    folder.require_same("inputs.json", _inputs(run.setups))


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


def _dealt(setup: Setup) -> Folds:
    splits = setup.protocol.splits
    tested = [setup.cases[number] for number in setup.tested]
    return Folds(kind=splits.kind, seed=splits.seed, folds=k_folds(tested, splits))


def _keep_folds(setup: Setup, folder: RunFolder) -> None:
    """Write folds.json before anything is trained; or see that the folds of this run are the same."""
    file, folds = folder.path / "folds.json", _dealt(setup)
    if not file.exists():
        folder.write_json(file.name, folds.model_dump())
    elif read_json(file, Folds) != folds:
        raise run_folder.changed(folder.path, file.name)


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
    card = DatasetCard.model_validate(facts | {"cases": len(setup.tested)})
    folder.write_json("dataset.json", card.model_dump(mode="json"))
    for name, each in setups.items():
        place = folder.path / "candidates" / name if name else folder.path
        place.mkdir(parents=True, exist_ok=True)
        if name:
            write_bytes(place / "protocol.yaml", dump(each.protocol).encode())
        if each.network.frozen and not (place / "encoder.safetensors").exists():
            encoder = {key: value.contiguous() for key, value in each.network.encoder.state_dict().items()}
            write_bytes(place / "encoder.safetensors", save(encoder))
