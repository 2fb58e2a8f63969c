"""A sweep: cells that know what they rest on, and a table that adds them up."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvs_med import sweep_table
from cvs_med.datasets.masks import Learnt, Origin
from cvs_med.datasets.masks import write as write_masks
from cvs_med.errors import CvsMedError, DataError, ProtocolError, RunError
from cvs_med.setup import Machine
from cvs_med.sweep import sweep
from cvs_med.sweep_plan import Cell, Plan, methods, parts
from cvs_med.sweep_table import SweepTable
from cvs_med.tables import read_predictions

DIGITS = tuple("0123456789")
SMALL = (
    "method: {method}", "dataset: {dataset}", "within: image", "images: {{size: {size}, crop: none}}",
    "network: {{backbone: wideresnet-10-1, weights: none, trainable: all, decoder: transposed}}",
    "augmentation: {augmentation}", "loss: {{class_weight: 1}}",
    "training: {{epochs: 2, batch_size: 16, learning_rate: 0.05, precision: fp32}}",
)  # fmt: skip


class Silent:
    """An observer that keeps what it was told, and may stop the work after an epoch."""

    def __init__(self, stop_after: tuple[int, int] | None = None) -> None:
        self.epochs: list[tuple[int, int]] = []
        self.stages: list[str] = []
        self.stop_after = stop_after

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def counted(self, done: int, total: int) -> None: ...

    def epoch(self, fold: int, epoch: object) -> None:
        self.epochs.append((fold, epoch.number))  # type: ignore[attr-defined]  # an Epoch
        if self.epochs[-1] == self.stop_after:
            raise KeyboardInterrupt


Sweep = Callable[..., tuple[SweepTable, Silent]]


@pytest.fixture
def protocol(tmp_path: Path) -> str:
    """A small protocol of two methods, each with an augmentation of its own."""
    for name, method, augmentation in (("p", "cvs", "{flip: [], turn: 10}"), ("p-classification", "classification",
                                                                             "{flip: [horizontal]}")):
        lines = [line.format(method=method, dataset="mnist", size=28, augmentation=augmentation) for line in SMALL]
        (tmp_path / f"{name}.yaml").write_text("\n".join(lines))
    return str(tmp_path / "p.yaml")


@pytest.fixture
def run(protocol: str, make_mnist: Callable[..., Path], tmp_path: Path) -> Sweep:
    """Sweep the small protocol on tiny digits: `run(out, settings, samples=..., ...)`."""

    def start(
        name: str = "run",
        *settings: str,
        of: Sequence[str] = ("cvs",),
        samples: Sequence[sweep_table.Samples] = (1,),
        seeds: int = 1,
        per_class: int | None = None,
        data: Path | None = None,
        masks: Sequence[Path] = (),
        observer: Silent | None = None,
    ) -> tuple[SweepTable, Silent]:
        if data is None and not (tmp_path / "mnist").exists():
            make_mnist()
        watching = observer or Silent()
        plan = Plan(methods(protocol, of, settings, "paper"), "paper", samples, seeds, per_class)
        machine = Machine(tmp_path / "cache", "cpu", 1)
        folder = data or tmp_path / "mnist"
        out = tmp_path / name
        return sweep(plan, out, data_dir=folder, masks_dirs=masks, machine=machine, observer=watching), watching

    return start


def answers(folder: Path) -> dict[str, bytes]:
    """Give every table of a run folder, by its name."""
    kept = [path for path in folder.rglob("*") if path.name in {"predictions.csv", "draw.json", "table.json"}]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def test_every_cell_is_trained_on_a_nested_draw_and_tested_on_the_test_part(run: Sweep, tmp_path: Path) -> None:
    table, watching = run(of=("cvs", "classification"), samples=("full", 2, 1), seeds=2)
    assert [(row.method, row.samples) for row in table.rows] == [
        (method, samples) for samples in (1, 2, "full") for method in ("cvs", "classification")
    ]
    assert len(watching.epochs) == 12 * 2
    assert watching.stages[0] == "Cell 1 of 12: cvs, 1 a class, seed 0; 10 to learn from, 20 to test"
    draws = {
        place: json.loads((tmp_path / "run" / place / "draw.json").read_text())
        for place in (f"{m}/{d}/seed-{s}" for m in ("cvs", "classification")
                      for d in ("1-per-class", "2-per-class", "full") for s in (0, 1))
    }  # fmt: skip
    for seed in (0, 1):
        one, two, full = (set(draws[f"cvs/{d}/seed-{seed}"]["train"]) for d in ("1-per-class", "2-per-class", "full"))
        assert (len(one), len(two), len(full)) == (10, 20, 40)
        assert one < two < full
        assert {name.split("-")[0] for name in full} == {"train"}
        assert draws[f"cvs/2-per-class/seed-{seed}"] == draws[f"classification/2-per-class/seed-{seed}"]
    assert draws["cvs/1-per-class/seed-0"]["train"] != draws["cvs/1-per-class/seed-1"]["train"]
    assert all(draw["test"] == [f"t10k-{number:05d}" for number in range(20)] for draw in draws.values())
    for row in table.rows:
        drawn = "full" if row.samples == "full" else f"{row.samples}-per-class"
        found = [
            read_predictions(tmp_path / "run" / row.method / drawn / f"seed-{seed}" / "predictions.csv", DIGITS)
            for seed in (0, 1)
        ]
        assert row.right == tuple(sum(p.predicted == p.label for p in seed) for seed in found)
        assert row.tested == 20
    assert not any(tmp_path.rglob("checkpoint.pt"))
    assert not any(tmp_path.rglob("maps"))
    assert sweep_table.read(tmp_path / "run") == table


def test_the_same_again_computes_nothing_and_a_new_run_gives_the_same(run: Sweep, tmp_path: Path) -> None:
    first, _ = run("first", seeds=2)
    before = answers(tmp_path / "first")
    again, watching = run("first", seeds=2)
    assert (again, watching.epochs) == (first, [])
    assert answers(tmp_path / "first") == before
    run("second", seeds=2)
    assert answers(tmp_path / "second") == before


def test_other_images_or_labels_in_the_same_folder_are_refused(
    run: Sweep, make_mnist: Callable[..., Path], pack_idx: Callable[[np.ndarray], bytes], tmp_path: Path
) -> None:
    data = make_mnist("changed", wrapped=False)
    run("first", data=data)
    images, labels = data / "train-images-idx3-ubyte", data / "t10k-labels-idx1-ubyte"
    kept = images.read_bytes()
    images.write_bytes(kept[:16] + bytes(255 - value for value in kept[16:]))
    with pytest.raises(RunError, match="other photographs"):
        run("first", data=data, seeds=2)
    images.write_bytes(kept)
    labels.write_bytes(labels.read_bytes()[:8] + labels.read_bytes()[:7:-1])
    with pytest.raises(RunError, match="other photographs"):
        run("first", data=data, seeds=2)


def test_seeds_and_samples_may_be_added(run: Sweep, tmp_path: Path) -> None:
    run(seeds=1)
    table, watching = run(seeds=2, samples=(1, 2))
    assert watching.epochs == [(number, epoch) for number in (1, 2, 3) for epoch in (0, 1)]
    assert [len(row.right) for row in table.rows] == [2, 2]


def test_a_stopped_sweep_goes_on_from_its_last_epoch(run: Sweep, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run("stopped", seeds=2, observer=Silent(stop_after=(1, 0)))
    assert len(sweep_table.read(tmp_path / "stopped").rows[0].right) == 1
    _, watching = run("stopped", seeds=2)
    assert watching.epochs == [(1, 1)]
    run("undisturbed", seeds=2)
    assert answers(tmp_path / "stopped") == answers(tmp_path / "undisturbed")


def test_another_protocol_in_the_same_folder_is_refused_with_a_diff(run: Sweep, tmp_path: Path) -> None:
    run()
    before = answers(tmp_path / "run")
    with pytest.raises(RunError, match="holds a run of another protocol") as caught:
        run("run", "training.epochs=3")
    assert {"-  epochs: 2", "+  epochs: 3"} <= {line.strip() for line in str(caught.value).splitlines()}
    assert answers(tmp_path / "run") == before


def test_a_setting_that_failed_before_training_does_not_keep_its_folder(run: Sweep) -> None:
    with pytest.raises(CvsMedError, match=r"misspelt\.pth"):
        run("run", "network.weights=misspelt.pth")
    run("run")


def test_other_test_images_in_the_same_folder_are_refused(run: Sweep) -> None:
    table, _ = run(per_class=1)
    assert table.rows[0].tested == 10
    with pytest.raises(RunError, match="--test-per-class is not what it was"):
        run(per_class=2)


def test_more_samples_than_a_class_has_are_refused_before_anything_is_trained(run: Sweep, tmp_path: Path) -> None:
    watching = Silent()
    with pytest.raises(DataError) as caught:
        run(samples=(1, 7), observer=watching)
    assert "10 problems" in str(caught.value)
    assert "class '3': expected at least 7 cases to draw 7 from, found 4." in str(caught.value)
    with pytest.raises(DataError, match="expected at least 3 cases to draw 3 from, found 2"):
        run(per_class=3, observer=watching)
    assert watching.epochs == []
    assert not answers(tmp_path / "run")


def test_answers_do_not_depend_on_the_size_of_a_test_batch(
    run: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("large")
    monkeypatch.setattr("cvs_med.sweep.TEST_BATCH", 3)
    run("small")
    large, small = (
        [row.probabilities for row in read_predictions(path, DIGITS)]
        for path in (tmp_path / name / "cvs/1-per-class/seed-0/predictions.csv" for name in ("large", "small"))
    )
    np.testing.assert_allclose(large, small, atol=1e-6)


def test_a_data_set_without_masks_takes_them_from_a_folder(run: Sweep, cifar10: Path, tmp_path: Path) -> None:
    settings = ("dataset=cifar10", "images.size=32")
    with pytest.raises(DataError, match="for a method with a map, found none for 10 of 10"):
        run("run", *settings, data=cifar10)
    (tmp_path / "masks").mkdir()
    square = np.zeros((32, 32), dtype=np.uint8)
    square[8:24, 8:24] = 255
    for number in range(20):
        Image.fromarray(square).save(tmp_path / "masks" / f"data_batch_1-{number:05d}.png")
    with pytest.raises(DataError, match=r"expected a mask ID\.png for every image needed"):
        run("run", *settings, data=cifar10, masks=[tmp_path / "masks"])
    for number in range(20, 40):
        Image.fromarray(square).save(tmp_path / "masks" / f"data_batch_1-{number:05d}.png")
    table, _ = run("run", *settings, data=cifar10, masks=[tmp_path / "masks"])
    assert "unknown origin" in table.masks


def test_a_data_set_without_an_official_test_part_is_refused(run: Sweep, phantom_folder: Path) -> None:
    with pytest.raises(DataError, match="images of an official train part"):
        run("run", "dataset=phantom", "images.size=64", data=phantom_folder)


def test_methods_have_their_own_augmentation_or_the_same(protocol: str) -> None:
    names = ("cvs", "classification", "multitask")
    own, same = (methods(protocol, names, ["training.epochs=7"], recipe) for recipe in ("paper", "same"))
    assert [each.augmentation.flip for each in own.values()] == [(), ("horizontal",), ()]
    assert {each.augmentation.turn for each in same.values()} == {10}
    for found in (own, same):
        assert [each.method for each in found.values()] == list(names)
        assert {each.training.epochs for each in found.values()} == {7}
    assert list(methods(protocol, (), (), "paper")) == ["cvs"]


@pytest.mark.parametrize(
    ("names", "settings", "said"),
    [
        (("probe",), (), "Expected methods that train a network, found probe"),
        (("cvs",), ("network.trainable=head", "augmentation.turn=0"), "expected network.trainable all in this sweep"),
        (("svm",), (), "method"),
    ],
)
def test_what_cannot_be_swept_is_refused(
    protocol: str, names: tuple[str, ...], settings: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ProtocolError, match=said):
        methods(protocol, names, settings, "paper")


def a_mask_folder(folder: Path, seg: int | None, side: int) -> Path:
    """Write squares as masks of all tiny images of CIFAR-10 to train on; those of Seg-M know that they are."""
    square = np.zeros((32, 32), dtype=bool)
    square[:side, :side] = True
    learnt = None if seg is None else Learnt(per_class=seg, masks=10 * seg, dataset="cifar10",
                                             backbone="wideresnet-28-10", origin="By hand.", given=[])  # fmt: skip
    origin = Origin(method="GrabCut" if seg is None else f"Seg-{seg}", software={}, settings={}, seed=0,
                    dataset="cifar10", part="train", per_class=None, images={}, fallbacks=[],
                    learnt=learnt)  # fmt: skip
    write_masks(folder, {f"data_batch_1-{number:05d}": square for number in range(40)}, origin)
    return folder


CIFAR = ("dataset=cifar10", "images.size=32")


def test_methods_with_masks_in_brackets_learn_from_propagated_ones(run: Sweep, cifar10: Path, tmp_path: Path) -> None:
    folders = [a_mask_folder(tmp_path / f"masks-{seg}", seg, 4 + seg) for seg in (2, 4)]
    folders.append(a_mask_folder(tmp_path / "grabcut", None, 20))
    names = ("cvs", "classification", "cvs(seg-2)", "cvs(seg-4)")
    table, _ = run("run", *CIFAR, of=names, data=cifar10, masks=folders)
    assert table.methods == list(names)
    drawn = {name: json.loads((tmp_path / "run" / folder / "1-per-class/seed-0/draw.json").read_text())
             for name, folder in zip(names, ("cvs", "classification", "cvs-seg-2", "cvs-seg-4"), strict=True)}
    assert len({tuple(draw["train"]) for draw in drawn.values()}) == 1
    assert [draw["propagated_from"] for draw in drawn.values()] == [None, None, 20, 40]
    assert "Masks by Seg-2" in drawn["cvs(seg-2)"]["masks"]
    for words in ("cvs: Masks by GrabCut", "cvs(seg-4): Masks by Seg-4"):
        assert words in table.masks
    keys = {json.loads((tmp_path / "run" / folder / "1-per-class/seed-0/inputs.json").read_text())["photographs"]
            for folder in ("cvs", "cvs-seg-2", "cvs-seg-4")}
    assert len(keys) == 3  # Each learns from its own masks.


@pytest.mark.parametrize(
    ("names", "segs", "said"),
    [
        (("cvs(seg-2)",), (), "found none for methods that ask for seg-2"),
        (("cvs(seg-2)",), (4,), r"found .*\(seg-4\) for methods that ask for seg-2"),
        (("cvs",), (2,), r"found .*\(seg-2\) for methods that ask for no propagated masks"),
        (("cvs(seg-2)",), (2, 2), r"\(seg-2\), .*\(seg-2\)"),
        (("classification(seg-2)",), (2,), r"only for a method with a map, found classification\(seg-2\)"),
    ],
)
def test_methods_and_folders_of_masks_agree(
    run: Sweep, cifar10: Path, tmp_path: Path, names: tuple[str, ...], segs: tuple[int, ...], said: str
) -> None:
    folders = [a_mask_folder(tmp_path / f"masks-{place}", seg, 8) for place, seg in enumerate(segs)]
    with pytest.raises(CvsMedError, match=said):
        run("run", *CIFAR, of=names, data=cifar10, masks=folders)


@pytest.mark.parametrize(
    ("name", "method", "called", "folder"),
    [("cvs", "cvs", "", "cvs"), ("cvs(seg-10)", "cvs", "seg-10", "cvs-seg-10"), ("cvs(seg", "cvs(seg", "", "cvs(seg")],
)
def test_a_name_is_a_method_and_its_masks(name: str, method: str, called: str, folder: str) -> None:
    assert parts(name) == (method, called)
    assert Cell(name, 5, 2).folder == Path(folder, "5-per-class", "seed-2")
