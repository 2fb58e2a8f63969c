"""A MONAI bundle of a run's networks: metadata for a catalogue, weights as numbers alone, and a workflow without code.

Its configuration names functions of this module and holds no expression; so cvs-med must be installed where it runs.
Of the data set only the class names and the way of reading are kept: no case, no file and no folder is named.
"""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save
from torch import Tensor, nn

from cvs_med import protocol as protocols
from cvs_med.evaluation import DatasetCard, Folds, decided
from cvs_med.export.together import Together
from cvs_med.folds import keep_model
from cvs_med.prediction import ensemble, files, gate_file, stream
from cvs_med.prediction.ensemble import Ensemble
from cvs_med.prediction.gates import Gates
from cvs_med.tables import write_bytes

SCHEMA: Final = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)
_MODULE: Final = "cvs_med.export.bundle"


def write(networks: Ensemble, gates: Gates, out: Path) -> Path:
    """Write a bundle.

    Args:
        networks: read with 32 bits on the CPU.
        gates: of these networks.
        out: folder of the bundle, made if missing.
    """
    for folder in ("configs", "models", "docs"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    _write_models(networks, gates, out / "models")
    _write_json(out / "configs" / "metadata.json", _metadata(networks))
    _write_json(out / "configs" / "inference.json", _workflow())
    write_bytes(out / "docs" / "README.md", _README.encode())
    return out


def _write_models(networks: Ensemble, gates: Gates, folder: Path) -> None:
    """Write what `ensemble.read` reads, without what names cases or folders."""
    protocol, count = networks.protocol, len(networks.networks)
    shown = protocol.network.model_copy(update={"weights": "none"})  # It may be a file's path; all weights are here.
    anonymous = protocol.model_copy(update={"network": shown, "also_train": ()})
    write_bytes(folder / "protocol.yaml", protocols.dump(anonymous).encode())
    _write_json(folder / "dataset.json", _card(networks.card).model_dump(mode="json"))
    (folder / decided.FILE).unlink(missing_ok=True)  # Of a bundle that was here before.
    if networks.decisions:
        _write_json(folder / decided.FILE, networks.decisions.model_dump(mode="json"))
    _write_json(folder / "folds.json", Folds(kind="unknown", seed=0, folds=[[]] * count).model_dump())
    for number, network in enumerate(networks.networks):
        (folder / f"fold-{number}").mkdir(exist_ok=True)
        keep_model(folder / f"fold-{number}" / ensemble.MODEL, network)
    first = networks.networks[0]
    if first.frozen:
        state = {name: value.contiguous() for name, value in first.encoder.state_dict().items()}
        write_bytes(folder / ensemble.ENCODER, save(state))
    gate_file.write(folder / gate_file.FILE, gates)


def _card(card: DatasetCard) -> DatasetCard:
    """Keep what answers need of a data set's description."""
    unsaid = {"name": "unnamed", "title": "", "foreground": "", "licence": "", "citation": "", "notes": [], "cases": 0}
    return card.model_copy(update=unsaid)


def _metadata(networks: Ensemble) -> dict[str, Any]:
    recipe, has_map = networks.recipe, "map" in Together(networks).names
    classes = list(recipe.class_names)
    channels = ["background", *classes] if has_map else classes
    finer = [f"finer square, part {number + 1}" for number in range(recipe.finer**2 if recipe.fine else 0)]
    signs = [*(["spots"] if recipe.finer else []), *(["fibres"] if recipe.fibres else [])]
    planes = ["red", "green", "blue", *signs, *finer, "field of view"]
    image = {"type": "image", "format": "rgb", "modality": "n/a", "num_channels": len(planes)}
    prediction = {"type": "probabilities", "format": "segmentation" if has_map else "classification"}
    common = {
        "spatial_shape": [recipe.size, recipe.size], "dtype": "float32", "value_range": [0, 1], "is_patch_data": False,
    }  # fmt: skip
    seen = {"channel_def": _numbered(planes)}
    return {
        "schema": SCHEMA,
        "version": version("cvs-med"),
        "changelog": {version("cvs-med"): "exported"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").split("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"cvs-med": version("cvs-med"), "safetensors": version("safetensors")},
        "name": "cvs-med",
        "task": "Classification via segmentation",
        "description": "Class probabilities of every pixel; the class of the image follows from them.",
        "authors": "the owner of the run",
        "copyright": "the owner of the run",
        "intended_use": "For research; not a medical device.",
        "network_data_format": {
            "inputs": {"image": image | common | seen},
            "outputs": {
                "pred": prediction | common | {"num_channels": len(channels), "channel_def": _numbered(channels)}
            },
        },
    }


def _numbered(names: Sequence[str]) -> dict[str, str]:
    return {str(number): name for number, name in enumerate(names)}


def _workflow() -> dict[str, Any]:
    return {
        "bundle_root": ".",
        "images": "images",
        "output_dir": "eval",
        "network_def": {"_target_": f"{_MODULE}.network", "bundle_root": "@bundle_root"},
        "run": [
            {
                "_target_": f"{_MODULE}.answer", "bundle_root": "@bundle_root", "images": "@images",
                "output_dir": "@output_dir",
            }
        ],
    }  # fmt: skip


class Mapped(nn.Module):
    """An ensemble that takes one tensor and gives one, as MONAI looks at networks."""

    def __init__(self, networks: Ensemble) -> None:
        """Take the networks over."""
        super().__init__()
        self.together = Together(networks)

    def forward(self, image: Tensor) -> Tensor:
        """Answer for (B, 4 or more, S, S), 0 to 1: RGB, what else is looked at, and the field of view.

        Returns:
            Probabilities of background and classes (B, P + 1, S, S); of a method without a map, of classes (B, P).
        """
        found = dict(zip(self.together.names, self.together(image[:, :-1], image[:, -1]), strict=True))
        answered: Tensor = found.get("map", found["probabilities"])
        return answered


def network(bundle_root: str) -> Mapped:
    """Read the networks of a bundle; its configuration calls this.

    Raises:
        RunError: see `ensemble.read`.
    """
    return Mapped(_read(bundle_root)).eval()


def answer(bundle_root: str, images: str, output_dir: str) -> None:
    """Answer for photographs as `cvs-med predict` does; the bundle's configuration calls this.

    Args:
        bundle_root: folder of the bundle.
        images: a photograph, or a folder of them.
        output_dir: folder for the answers.

    Raises:
        CvsMedError: see `stream.predict`.
    """
    networks, out = _read(bundle_root), Path(output_dir)
    gates = gate_file.read(Path(bundle_root) / "models" / gate_file.FILE)
    stream.predict(networks, gates, files.find([Path(images)], out), out, watcher=_Nobody())


class _Nobody:
    """A watcher that looks away: MONAI has its own log."""

    def counted(self, done: int, total: int) -> None:
        """Say nothing."""


def _read(bundle_root: str) -> Ensemble:
    return ensemble.read(Path(bundle_root) / "models", device=torch.device("cpu"), precision="fp32")


def _write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    write_bytes(path, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode())


_README: Final = """# Networks of cvs-med

For research; not a medical device. Needs the package cvs-med.

    python -m monai.bundle run --config_file configs/inference.json --images FOLDER --output_dir eval

writes for every photograph what `cvs-med predict` writes: a line in predictions.csv, label map, evidence and overlay.
A photograph unlike the training ones is flagged, and so is an answer that is too unsure by the run's thresholds.
`models/` holds numbers (safetensors) and the settings they belong to.
"""
