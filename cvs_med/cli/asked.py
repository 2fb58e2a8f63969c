"""From the options of a command to a protocol, and to the name of its folder."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from cvs_med.errors import ProtocolError
from cvs_med.protocol import Protocol, catalogue, dump


def settings(fields: Mapping[str, object], changes: Sequence[str]) -> list[str]:
    """Write options as changes of fields, such as `training.epochs=3`; what is None was not given.

    Epochs that are asked for count, whatever steps a protocol has.
    """
    # JSON is YAML in which a file's name is text, whatever signs it has.
    given = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in fields.items() if value is not None]
    if fields.get("training.epochs") is not None:
        given += ["training.steps=null", "training.least_steps=1"]
    return [*given, *changes]


def usual(dataset: str, device: str) -> str:
    """Take the data set's protocol: the large one where there is a GPU, else that of the paper without weights.

    Raises:
        DataNotFoundError: there is no such data set.
    """
    from cvs_med import datasets

    datasets.get(dataset)
    names = [*([f"{dataset}-gpu"] if device == "cuda" else []), dataset, f"paper/{dataset}-wideresnet"]
    known = catalogue()
    return next(name for name in names if name in known)


def candidates(select: str, settings: Sequence[str], protocol: str | None) -> dict[str, Protocol]:
    """Load the protocols of --select.

    Raises:
        ProtocolError: --protocol is given too, or as for `selection.candidates`.
    """
    from cvs_med import selection

    if protocol is not None:
        raise ProtocolError("Expected --select or --protocol, found both. Name all protocols in --select.")
    return selection.candidates([source.strip() for source in select.split(",")], settings)


def folder(protocol: Protocol, data_dir: Path | None, *, repeated: bool) -> Path:
    """Name a run, or repeats of it, after what was asked, so that the same command finds it again."""
    said, name = dump(protocol), protocol.dataset
    if name == "folder" and data_dir is not None:  # Several folders of one's own are several data sets.
        said, name = f"{said}{data_dir.resolve()}", data_dir.resolve().name
    digest = hashlib.sha256(said.encode()).hexdigest()[:8]
    splits = protocol.splits
    seeds = f"seeds-from-{splits.seed}" if repeated else f"seed{splits.seed}"
    return Path("runs") / f"{name}-{protocol.method}-{splits.kind}-{seeds}-{digest}"
