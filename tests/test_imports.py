"""Imports run downhill: a module imports only from its own floor or from one below."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import cvs_med

ROOT = Path(cvs_med.__file__).parent

# A room is a module or, with all that lies in it, a folder.
FLOORS = (
    {
        "__init__", "errors", "types", "backbones", "combinations", "protocol", "protocol_errors", "protocol_sections",
        "strict_yaml", "waiting", "memory", "sigterm",
    },
    {
        "label_maps", "losses", "squares", "decoding", "images", "geometry", "disc", "spots", "fibres",
        "levelling", "harmonising", "download", "datasets", "splits", "transforms", "augmentation", "duplicates",
        "hyperrule", "networks", "statistics", "precision", "shares",
    },
    {
        "cache", "case_arrays", "checkpoints", "tables", "batches", "features", "embedding", "training", "inference",
        "decisions", "evaluation", "baselines", "environment", "reported", "run_folder", "smaller_batch", "sweep_plan",
        "sweep_table", "audit", "devices", "observers", "optimisers", "tiles", "stages",
    },
    {
        "setup", "pooling", "folds", "answering", "experiment", "propagation", "comparison", "sweep", "sweep_data",
        "sweep_masks", "transfer", "annotation_cost", "repeats", "inner", "selection", "tasks", "cluster", "tracking",
    },
    {"report"},
    {"prediction", "benchmark", "final_model", "export", "review"},
    {"cli"},
)  # fmt: skip


def modules() -> dict[str, Path]:
    """Name every module of the package, such as `networks.heads`; a folder by its own name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


MODULES = modules()


def floor(module: str) -> int:
    """Give the floor of a module's room."""
    rooms = [number for number, rooms in enumerate(FLOORS) if module.split(".")[0] in rooms]
    assert len(rooms) == 1, f"{module}: expected on one floor, found on {rooms}. Add its room to FLOORS."
    return rooms[0]


def imported(path: Path) -> Iterator[str]:
    """List the package's own modules that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (_own(alias.name) for alias in node.names if alias.name.split(".")[0] == "cvs_med")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: expected a full name, found a relative import."
            if node.module and node.module.split(".")[0] == "cvs_med":
                yield from (_module(_own(node.module), alias.name) for alias in node.names)


def _own(name: str) -> str:
    return name.removeprefix("cvs_med").removeprefix(".") or "__init__"


def _module(package: str, name: str) -> str:
    """Tell a module that is imported by its name from a name of the package."""
    if package == "__init__":
        return name
    return f"{package}.{name}" if f"{package}.{name}" in MODULES else package


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downhill(module: str) -> None:
    for target in imported(MODULES[module]):
        assert target in MODULES, f"{module} imports {target}, which does not exist"
        assert floor(target) <= floor(module), (
            f"{module} (floor {floor(module)}) imports {target} (floor {floor(target)})"
        )


def test_every_room_of_the_table_exists() -> None:
    rooms = {module.split(".")[0] for module in MODULES}
    assert set().union(*FLOORS) <= rooms


@pytest.mark.parametrize(("library", "room"), [("ray", "cluster"), ("mlflow", "tracking"), ("tensorboard", "tracking")])
def test_what_few_need_is_known_to_one_room(library: str, room: str) -> None:
    assert {module for module, path in MODULES.items() if library in libraries(path)} == {room}


def libraries(path: Path) -> set[str]:
    """List the words of all names of other packages that a module imports, inside functions too."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {word for name in names if not name.startswith("cvs_med") for word in name.split(".")}


def test_no_import_goes_round_in_a_circle() -> None:
    graph = {module: set(imported(path)) - {module} for module, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))
