"""`cvs-med bench`: speed as ratios, measured in one run."""

from pathlib import Path

import click


@click.group()
def bench() -> None:
    """Measure speed, as ratios of things measured in turn in one run."""


@bench.command()
@click.option("--dataset", required=True, help="Name of the data set whose protocol and photographs are used.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Its folder.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Alternating rounds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def train(dataset: str, data_dir: Path | None, rounds: int, as_json: bool) -> None:
    """Compare a training step with a plain loop in 32 bits, MONAI's SupervisedTrainer, and no augmentation."""
    from cvs_med.benchmark import steps
    from cvs_med.cli.machine import cache_folder, keep_memory, workers

    keep_memory()
    result = steps.train(
        dataset, data_dir=data_dir, cache_dir=cache_folder(), workers=workers(), rounds=rounds
    )
    click.echo(result.to_json() if as_json else result.to_table())


@bench.command()
@click.option("--dataset", required=True, help="Name of the data set, such as mnist.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Its folder.")
@click.option("--protocol", help="Protocol by name or file.  [default: that of the data set, else its Wide-ResNet]")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Alternating rounds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def loader(dataset: str, data_dir: Path | None, protocol: str | None, rounds: int, as_json: bool) -> None:
    """Compare our batches of small images, with augmentation, with one MONAI dictionary transform for each image."""
    from cvs_med.benchmark import loading
    from cvs_med.cli import asked
    from cvs_med.cli.machine import cache_folder, keep_memory, workers
    from cvs_med.protocol import load

    keep_memory()
    chosen = load(protocol or asked.usual(dataset, "cpu"), asked.settings({"dataset": dataset}, ()))
    result = loading.loader(chosen, data_dir=data_dir, cache_dir=cache_folder(), workers=workers(), rounds=rounds)
    click.echo(result.to_json() if as_json else result.to_table())


@bench.command()
@click.option("--dataset", required=True, help="Name of the data set, such as mnist.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Its folder.")
@click.option("--protocol", help="Protocol by name or file.  [default: that of the data set, else its Wide-ResNet]")
@click.option("--backbone", help="Encoder, such as wideresnet-16-2 for a small machine.  [default: the protocol's]")
@click.option("--batch-size", type=click.IntRange(2), help="Images of a step.  [default: the protocol's]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Alternating rounds of 4 steps.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
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
    """Compare a training step, with its batch and its losses, with that of the bare network."""
    from cvs_med.benchmark import steps
    from cvs_med.cli import asked
    from cvs_med.cli.machine import accelerator, cache_folder, keep_memory, workers
    from cvs_med.protocol import load

    keep_memory()
    fields = {"dataset": dataset, "network.backbone": backbone, "training.batch_size": batch_size}
    chosen = load(protocol or asked.usual(dataset, accelerator(device)), asked.settings(fields, ()))
    result = steps.step(
        chosen,
        data_dir=data_dir,
        cache_dir=cache_folder(),
        accelerator=accelerator(device),
        workers=workers(),
        rounds=rounds,
    )
    click.echo(result.to_json() if as_json else result.to_table())


@bench.command()
@click.option("--dataset", required=True, help="Name of the data set, such as phantom.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Its folder.")
@click.option("--protocol", help="Protocol by name or file.  [default: that of the data set]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Alternating rounds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def limits(
    dataset: str, data_dir: Path | None, protocol: str | None, device: str, rounds: int, as_json: bool
) -> None:
    """Measure the machine's fastest matrix products, and what share of them a training step reaches."""
    from cvs_med.benchmark import limits
    from cvs_med.cli import asked
    from cvs_med.cli.machine import accelerator, cache_folder, keep_memory, workers
    from cvs_med.protocol import load

    keep_memory()
    chosen = load(protocol or asked.usual(dataset, accelerator(device)), asked.settings({"dataset": dataset}, ()))
    result = limits.limits(
        chosen,
        data_dir=data_dir,
        cache_dir=cache_folder(),
        accelerator=accelerator(device),
        workers=workers(),
        rounds=rounds,
    )
    click.echo(result.to_json() if as_json else result.to_table())


@bench.command()
@click.argument("image", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--run", required=True, type=click.Path(path_type=Path, file_okay=False), help="Run that answers.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Alternating rounds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def predict(image: Path, run: Path, rounds: int, as_json: bool) -> None:
    """Compare one photograph's way to its stored overlay with decoding it and the bare networks."""
    from cvs_med.benchmark import photograph
    from cvs_med.cli.machine import keep_memory

    keep_memory()
    result = photograph.predict(run, image, rounds=rounds)
    click.echo(result.to_json() if as_json else result.to_table())


@bench.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--run", required=True, type=click.Path(path_type=Path, file_okay=False), help="Run that answers.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Alternating rounds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def engines(images: tuple[Path, ...], run: Path, rounds: int, as_json: bool) -> None:
    """Compare engines on whole photographs: PyTorch, compiled, onnxruntime, and OpenVINO if it is installed."""
    from cvs_med.benchmark import engines
    from cvs_med.cli.machine import keep_memory

    keep_memory()
    result = engines.engines(run, images, rounds=rounds)
    click.echo(result.to_json() if as_json else result.to_table())


@bench.command()
@click.option("--dataset", required=True, help="Name of the data set, such as hrf.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Its folder.")
@click.option("--protocol", help="Protocol by name or file.  [default: that of the data set]")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Alternating rounds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def cache(dataset: str, data_dir: Path | None, protocol: str | None, rounds: int, as_json: bool) -> None:
    """Compare photographs from the cache with decoding them, and with MONAI's PersistentDataset."""
    from cvs_med.benchmark import reading
    from cvs_med.cli import asked
    from cvs_med.cli.machine import keep_memory, workers
    from cvs_med.protocol import load

    keep_memory()
    chosen = load(protocol or asked.usual(dataset, "cpu"), asked.settings({"dataset": dataset}, ()))
    result = reading.reading(chosen, data_dir=data_dir, workers=workers(), rounds=rounds)
    click.echo(result.to_json() if as_json else result.to_table())
