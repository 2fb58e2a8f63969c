"""`cvs-med bench`: speed as ratios, measured in one run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

if TYPE_CHECKING:
    from cvs_med.benchmark.rounds import Result
    from cvs_med.protocol import Protocol

_Command: TypeAlias = Callable[..., None]
_Option: TypeAlias = Callable[[_Command], _Command]

_FOLDER = click.Path(path_type=Path, file_okay=False)
_IMAGE = click.Path(path_type=Path, dir_okay=False)

_DATA: tuple[_Option, ...] = (
    click.option("--dataset", required=True, help="Name of the data set, such as hrf."),
    click.option("--data-dir", type=_FOLDER, help="Its folder."),
)
_PROTOCOL: _Option = click.option(
    "--protocol", help="Protocol by name or file.  [default: that of the data set, else its Wide-ResNet]"
)
_BACKBONE: _Option = click.option(
    "--backbone", help="Encoder, such as wideresnet-16-2 for a small machine.  [default: the protocol's]"
)
_DEVICE: _Option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute."
)
_RUN: _Option = click.option("--run", required=True, type=_FOLDER, help="Run that answers.")
_ROUNDS: tuple[_Option, ...] = (
    click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Alternating rounds."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table."),
)


@click.group()
def bench() -> None:
    """Measure speed, as ratios of things measured in turn in one run."""


def _measuring(*options: _Option) -> Callable[[_Command], click.Command]:
    """Make a command of a function, with these options and those that every benchmark has."""

    def made(function: _Command) -> click.Command:
        for option in reversed((*options, *_ROUNDS)):
            function = option(function)
        return bench.command()(function)

    return made


def _usual(
    dataset: str, protocol: str | None, device: str = "cpu", fields: Mapping[str, object] | None = None
) -> "Protocol":
    """Load what is asked for, or the usual protocol of a data set, with some fields changed."""
    from cvs_med.cli import asked
    from cvs_med.protocol import load

    return load(protocol or asked.usual(dataset, device), asked.settings({"dataset": dataset, **(fields or {})}, ()))


def _places(device: str) -> dict[str, Any]:
    """Say where to compute."""
    from cvs_med.cli.machine import cache_folder, workers

    return {"cache_dir": cache_folder(), "accelerator": device, "workers": workers()}


def _tell(result: "Result", as_json: bool) -> None:
    click.echo(result.to_json() if as_json else result.to_table())


@_measuring(
    *_DATA,
    _BACKBONE,
    click.option("--weights", help="Pretrained weights of a frozen encoder: imagenet, none, or a file."),
)
def train(
    dataset: str, data_dir: Path | None, backbone: str | None, weights: str | None, rounds: int, as_json: bool
) -> None:
    """Compare a training step with a plain loop in 32 bits, MONAI's SupervisedTrainer, and no augmentation.

    All layers are trained. A protocol with a frozen encoder is measured as it is too: our head on features that were
    computed once, MONAI's trainer with the encoder in every step. The skip decoder takes the place of `decoder: fine`,
    which is trained before, by itself.
    """
    from cvs_med.benchmark import trainers
    from cvs_med.cli.machine import cache_folder, workers
    from cvs_med.cli.watch import Watch
    from cvs_med.memory import keep_memory

    keep_memory()
    chosen = _usual(dataset, None, fields={"network.backbone": backbone, "network.weights": weights})
    with Watch(1, quiet=as_json) as watch:
        found = trainers.train(
            chosen, data_dir=data_dir, cache_dir=cache_folder(), workers=workers(), rounds=rounds, observer=watch
        )
    _tell(found, as_json)


@_measuring(*_DATA, _PROTOCOL)
def loader(dataset: str, data_dir: Path | None, protocol: str | None, rounds: int, as_json: bool) -> None:
    """Compare our batches of small images, with augmentation, with one MONAI dictionary transform for each image."""
    from cvs_med.benchmark import loading
    from cvs_med.cli.machine import cache_folder, workers
    from cvs_med.memory import keep_memory

    keep_memory()
    chosen = _usual(dataset, protocol)
    found = loading.loader(chosen, data_dir=data_dir, cache_dir=cache_folder(), workers=workers(), rounds=rounds)
    _tell(found, as_json)


@_measuring(
    *_DATA,
    _PROTOCOL,
    _BACKBONE,
    click.option("--batch-size", type=click.IntRange(2), help="Images of a step.  [default: the protocol's]"),
    _DEVICE,
)
def step(
    dataset: str,
    data_dir: Path | None,
    protocol: str | None,
    backbone: str | None,
    batch_size: int | None,
    device: str,
    rounds: int,
    as_json: bool,
) -> None:
    """Compare a training step, with its batch and its losses, with that of the bare network; a round has 4 steps."""
    from cvs_med.benchmark import steps
    from cvs_med.cli.machine import accelerator
    from cvs_med.memory import keep_memory

    keep_memory()
    place = accelerator(device)
    fields = {"network.backbone": backbone, "training.batch_size": batch_size}
    chosen = _usual(dataset, protocol, place, fields)
    _tell(steps.step(chosen, data_dir=data_dir, rounds=rounds, **_places(place)), as_json)


@_measuring(*_DATA, _PROTOCOL, _DEVICE)
def limits(
    dataset: str, data_dir: Path | None, protocol: str | None, device: str, rounds: int, as_json: bool
) -> None:
    """Measure the machine's fastest matrix products, what share a training step reaches, and where its time goes."""
    from cvs_med.benchmark import limits
    from cvs_med.cli.machine import accelerator
    from cvs_med.memory import keep_memory

    keep_memory()
    place = accelerator(device)
    chosen = _usual(dataset, protocol, place)
    _tell(limits.limits(chosen, data_dir=data_dir, rounds=rounds, **_places(place)), as_json)


@_measuring(*_DATA, _PROTOCOL)
def cache(dataset: str, data_dir: Path | None, protocol: str | None, rounds: int, as_json: bool) -> None:
    """Compare photographs from the cache with decoding them, and with MONAI's PersistentDataset."""
    from cvs_med.benchmark import reading
    from cvs_med.cli.machine import workers
    from cvs_med.memory import keep_memory

    keep_memory()
    _tell(reading.reading(_usual(dataset, protocol), data_dir=data_dir, workers=workers(), rounds=rounds), as_json)


@_measuring(click.argument("image", type=_IMAGE), _RUN)
def predict(image: Path, run: Path, rounds: int, as_json: bool) -> None:
    """Compare one photograph's way to its stored overlay with decoding it and the bare networks."""
    from cvs_med.benchmark import photograph
    from cvs_med.memory import keep_memory

    keep_memory()
    _tell(photograph.predict(run, image, rounds=rounds), as_json)


@_measuring(click.argument("images", nargs=-1, required=True, type=_IMAGE), _RUN)
def engines(images: tuple[Path, ...], run: Path, rounds: int, as_json: bool) -> None:
    """Compare engines on whole photographs: PyTorch, compiled, onnxruntime, and OpenVINO if it is installed."""
    from cvs_med.benchmark import engines
    from cvs_med.memory import keep_memory

    keep_memory()
    _tell(engines.engines(run, images, rounds=rounds), as_json)


@_measuring(_RUN, click.option("--data-dir", type=_FOLDER, help="Folder of its data set."))
def app(run: Path, data_dir: Path | None, rounds: int, as_json: bool) -> None:
    """Time the review app in headless Chromium: the next case after an answer, and a worklist of 2,000 cases."""
    from cvs_med.benchmark import app

    _tell(app.app(run, data_dir, rounds=rounds), as_json)
