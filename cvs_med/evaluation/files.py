"""The small files of a run folder that say what was asked, and how they are read."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cvs_med.errors import RunError
from cvs_med.types import Reading, Shape

T = TypeVar("T")


class DatasetCard(BaseModel):
    """dataset.json: what a report says about the data set, and how `predict` reads further images of its kind."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    class_names: list[str] = Field(min_length=2)
    class_codes: list[str]
    foreground: str
    foreground_shape: Shape = "lines"
    licence: str
    citation: str
    notes: list[str]
    cases: int
    surroundings: bool = True
    reading: Reading = Reading()


class Folds(BaseModel):
    """folds.json: who was tested when; one list of case ids per fold."""

    model_config = ConfigDict(frozen=True)

    kind: str
    seed: int
    folds: list[list[str]] = Field(min_length=1)


class Selected(BaseModel):
    """selection.json: how often each protocol was chosen; the rest of the file is for people."""

    model_config = ConfigDict(frozen=True)

    chosen: dict[str, int] = Field(min_length=1)


def read_json(path: Path, kind: type[T]) -> T:
    """Read a JSON file of a run folder as what it should be.

    Raises:
        RunError: it is missing, damaged, or something else.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing: the run has not ended, or lost it. Run the experiment again.") from error
    except (OSError, ValidationError) as error:
        raise RunError(f"{path}: {error}. Run the experiment again to have it written.") from error


def read_card(run: Path) -> DatasetCard:
    """Read what a run knows of its data set.

    Raises:
        RunError: the folder is one of repeats, or the file is missing or damaged.
    """
    if (run / "repeats.json").exists():
        seeds = ", ".join(sorted(folder.name for folder in run.glob("seed-*")))
        raise RunError(f"{run}: expected the folder of a single run, found one of repeats. Name one of its: {seeds}.")
    return read_json(run / "dataset.json", DatasetCard)


def read_method(run: Path) -> str:
    """Name the method that protocol.yaml asked for: `selected` where each fold chose one.

    Raises:
        RunError: there is no such file, or it names no method.
    """
    path = run / "protocol.yaml"
    try:
        protocol = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise RunError(f"{path}: {error}. Is {run} the folder of a run?") from error
    if not isinstance(protocol, dict) or not isinstance(protocol.get("method"), str):
        raise RunError(f"{path}: expected a field `method`, found none. Is {run} the folder of a run?")
    inner = protocol.get("inner")
    selects = isinstance(inner, dict) and bool(inner.get("select"))
    return "selected" if selects else str(protocol["method"])
