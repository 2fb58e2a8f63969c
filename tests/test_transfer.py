"""Deep Metric Transfer in a sweep: no label of an unlabelled image is looked at, and no test image helps another."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from cvs_med import datasets, experiment, folds, protocol
from cvs_med.embedding import embed
from cvs_med.errors import ProtocolError
from cvs_med.propagation.metric_transfer import Propagated
from cvs_med.setup import Machine, Setup, assemble
from cvs_med.sweep import sweep
from cvs_med.sweep_plan import Plan, methods
from cvs_med.tables import read_predictions
from cvs_med.transfer import classify_embedding, label_all, weighted_shares

SMALL = """
method: transfer
dataset: mnist
within: image
images: {size: 28, crop: none}
network: {backbone: wideresnet-10-1, weights: none, trainable: all}
augmentation: {flip: []}
training: {epochs: 1, batch_size: 16, learning_rate: 0.05, precision: fp32}
transfer: {level: 3, graph: 5, eigenvectors: 8}
"""


class Unwatched:
    def stage(self, text: str) -> None: ...

    def counted(self, done: int, total: int) -> None: ...

    def epoch(self, fold: int, epoch: object) -> None: ...


@pytest.fixture
def small(tmp_path: Path) -> str:
    """A small protocol of the method."""
    (tmp_path / "p.yaml").write_text(SMALL)
    return str(tmp_path / "p.yaml")


@pytest.fixture
def setup(small: str, mnist: Path, tmp_path: Path) -> Setup:
    """Forty digits to learn from and twenty to test, with a network of random weights."""
    dataset = datasets.get("mnist")
    cases = sorted(dataset.cases(mnist), key=lambda case: case.part != "train")
    return assemble(
        protocol.load(small), dataset, cases, machine=Machine(tmp_path, "cpu", 1), observer=Unwatched()
    )


TRAIN, TEST = range(40), range(40, 60)


def labelled(setup: Setup) -> set[str]:
    """Name one training case of each class."""
    return {next(case.id for case in setup.cases if case.label == label) for label in range(setup.classes)}


def relabelled(setup: Setup) -> Setup:
    """Give every case whose label is not to be used the label 0."""
    known = labelled(setup)
    return replace(setup, cases=[case if case.id in known else replace(case, label=0) for case in setup.cases])


def test_labels_that_are_not_given_are_not_looked_at(setup: Setup, tmp_path: Path) -> None:
    known = labelled(setup)
    found, blind = (label_all(each, TRAIN, known, tmp_path) for each in (setup, relabelled(setup)))
    np.testing.assert_array_equal(found.labels, blind.labels)
    np.testing.assert_array_equal(found.confidence, blind.confidence)
    given = [case.id in known for case in setup.cases[:40]]
    assert [case.label for case in setup.cases[:40] if case.id in known] == found.labels[given].tolist()
    shares = weighted_shares(found, setup.classes)
    states = []
    for name, each in (("one", setup), ("other", relabelled(setup))):
        (tmp_path / name).mkdir()
        states.append(folds.train_network(each, tmp_path / name, 0, TRAIN, shares).state_dict())
    assert all(value.equal(states[1][name]) for name, value in states[0].items())
    answers = [classify_embedding(each, found, TEST, tmp_path) for each in (setup, relabelled(setup))]
    np.testing.assert_array_equal(*answers)


def test_a_test_image_does_not_help_another(setup: Setup, tmp_path: Path) -> None:
    known = labelled(setup)
    images = setup.photographs.images.clone()
    images[40:] = 255 - images[40:]
    other = replace(setup, photographs=replace(setup.photographs, images=images, key="other"))
    found, same = (label_all(each, TRAIN, known, tmp_path) for each in (setup, other))
    np.testing.assert_array_equal(found.labels, same.labels)
    np.testing.assert_allclose(found.confidence, same.confidence, atol=1e-6)


def test_the_shares_weigh_the_cross_entropy_by_the_confidence() -> None:
    labels, sure = np.array([2, 0, 1]), np.array([1, 0.25, 0])
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    shares = weighted_shares(Propagated(labels, sure), 4)
    each = cross_entropy(logits, torch.from_numpy(labels), reduction="none")
    torch.testing.assert_close(cross_entropy(logits, shares), (each * torch.from_numpy(sure).float()).mean())


def test_an_embedding_is_the_mean_of_a_level_and_is_kept(setup: Setup, tmp_path: Path) -> None:
    counted: list[int] = []

    def take() -> torch.Tensor:
        return embed(
            setup.network, setup.photographs, 1, identity="w", precision="fp32", folder=tmp_path / "kept",
            step=lambda done, total: counted.append(done),
        )  # fmt: skip

    first = take()
    images = setup.photographs.images[:5].float() / 255
    with torch.no_grad():
        expected = setup.network.eval().features(images)[1].mean(dim=(2, 3))
    torch.testing.assert_close(first[:5], expected, atol=1e-4, rtol=1e-3)
    assert counted == [60]
    assert take().equal(first)
    assert counted == [60]


@pytest.mark.parametrize("trainable", ["all", "head"])
@pytest.mark.parametrize("propagation", ["knn", "spectral"])
def test_it_is_swept(small: str, mnist: Path, tmp_path: Path, trainable: str, propagation: str) -> None:
    settings = (f"network.trainable={trainable}", f"transfer.propagation={propagation}")
    plan = Plan(methods(small, (), settings, "paper"), "paper", (1, "full"), 1, None)
    machine = Machine(tmp_path / "cache", "cpu", 1)
    tables = [
        sweep(plan, tmp_path / name, data_dir=mnist, masks_dirs=(), machine=machine, observer=Unwatched())
        for name in ("first", "second")
    ]
    assert tables[0] == tables[1]
    assert [(row.method, row.samples, row.tested) for row in tables[0].rows] == [
        ("transfer", 1, 20), ("transfer", "full", 20)
    ]  # fmt: skip
    rows = read_predictions(tmp_path / "first/transfer/1-per-class/seed-0/predictions.csv", tuple("0123456789"))
    assert [row.case_id for row in rows] == [f"t10k-{number:05d}" for number in range(20)]
    assert not any((tmp_path / "first").rglob("checkpoint.pt"))


def test_a_cross_validation_says_what_to_ask_for_instead(small: str, tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="Use `cvs-med sweep`, which labels a few images of each class"):
        experiment.cross_validate(
            protocol.load(small, ["dataset=digits"]), tmp_path / "run", data_dir=None,
            machine=Machine(tmp_path, "cpu", 1), observer=Unwatched(),
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_a_level_that_is_not_there_is_refused(small: str) -> None:
    with pytest.raises(ProtocolError, match=r"transfer\.level .* expected 0 to 3 with wideresnet-10-1"):
        protocol.load(small, ["transfer.level=4"])


