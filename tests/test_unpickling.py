"""Nothing in the package can unpickle: every call that could is told not to."""

import ast
from pathlib import Path

import pytest

import cvs_med

FORBIDDEN = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
# pickle itself is imported for the name of its error alone.
NAMED_ONLY = {("networks/weights.py", "pickle")}
SAFE = {"np.load": ("allow_pickle", False), "torch.load": ("weights_only", True)}
ROOT = Path(cvs_med.__file__).parent


def calls() -> list[tuple[str, ast.Call]]:
    """List every call of `np.load` and `torch.load`, with the file it is in."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in SAFE:
                found.append((str(path.relative_to(ROOT)), node))
    return found


def test_there_are_calls_to_look_at() -> None:
    assert {ast.unparse(call.func) for _, call in calls()} == set(SAFE)


@pytest.mark.parametrize(("file", "call"), calls(), ids=lambda part: part if isinstance(part, str) else "")
def test_loading_runs_no_code(file: str, call: ast.Call) -> None:
    name, value = SAFE[ast.unparse(call.func)]
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    assert given.get(name) == str(value), f"{file}, line {call.lineno}: expected {name}={value}"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_reads_pickles(path: Path) -> None:
    file = str(path.relative_to(ROOT))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] not in FORBIDDEN or (file, name) in NAMED_ONLY, f"{file} imports {name}"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
            assert node.attr == "UnpicklingError", f"{file}, line {node.lineno}: pickle.{node.attr}"
