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
    """Compare a training step as it is done with 32 bits and contiguous memory, and with no augmentation."""
    from cvs_med import benchmark
    from cvs_med.cli.machine import cache_folder, keep_memory, workers

    keep_memory()
    result = benchmark.train(
        dataset, data_dir=data_dir, cache_dir=cache_folder(), workers=workers(), rounds=rounds
    )
    click.echo(result.to_json() if as_json else result.to_table())


@bench.command()
@click.argument("image", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--run", required=True, type=click.Path(path_type=Path, file_okay=False), help="Run that answers.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Alternating rounds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def predict(image: Path, run: Path, rounds: int, as_json: bool) -> None:
    """Compare one photograph's way to its stored overlay with decoding it and the bare networks."""
    from cvs_med import benchmark
    from cvs_med.cli.machine import keep_memory

    keep_memory()
    result = benchmark.predict(run, image, rounds=rounds)
    click.echo(result.to_json() if as_json else result.to_table())
