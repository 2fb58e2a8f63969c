"""Answers: probabilities sum to one, evidence to the scores, and the class is the largest score."""

from collections.abc import Sequence

import pytest
import torch
from torch import Generator, Tensor

from cvs_med.augmentation import View, flips
from cvs_med.batches import Batch, Look
from cvs_med.inference import predict, predict_classes, predict_foreground
from cvs_med.label_maps import QS, evidence
from cvs_med.networks import Network, build_network
from cvs_med.networks.spots import SpotEvidence
from cvs_med.protocol import Protocol
from cvs_med.protocol_sections import Augmentation

SIDE = 64
CPU = torch.device("cpu")


class OnePhotograph:
    """A source of one noisy photograph in some views."""

    def __init__(self, views: Sequence[View], network: Network | None = None) -> None:
        self.views, self.network = views, network
        self.image = torch.rand(1, 3, SIDE, SIDE, generator=Generator().manual_seed(1))
        self.inside = torch.zeros(1, SIDE, SIDE)
        self.inside[:, 10:50, 20:] = 1

    def training(self, cases: Sequence[int], generator: Generator) -> Batch:
        """Give nothing: a prediction does not train."""
        pytest.fail("a prediction trained")

    def looks(self, cases: Sequence[int]) -> list[Look]:
        """Show the photograph, or what a frozen encoder says of it."""
        found = []
        for view in self.views:
            image: Tensor | dict[int, Tensor] = view.apply(self.image)
            if self.network is not None:
                with torch.no_grad():
                    image = self.network.eval().features(view.apply(self.image))
            found.append(Look(view, image, view.apply(self.inside)))
        return found


def a_network(method: str = "cvs", trainable: str = "all", **fields: object) -> Network:
    torch.manual_seed(0)
    network = {"backbone": "resnet18", "width": 8, "trainable": trainable, "levels": [0, 1, 2]}
    content = {"dataset": "hrf", "method": method, "images": {"size": SIDE}, "network": network, **fields}
    return build_network(Protocol.model_validate(content), 3)


all_flips = flips(Augmentation())
every_way = pytest.mark.parametrize("q", QS)
every_precision = pytest.mark.parametrize("precision", ["fp32", "bf16"])


@every_way
@every_precision
@pytest.mark.parametrize("within", ["image", "field_of_view"])
@pytest.mark.parametrize("views", [[View()], all_flips], ids=["one view", "four views"])
def test_what_is_shown_is_what_decided(q: str, precision: str, within: str, views: Sequence[View]) -> None:
    source = OnePhotograph(views)
    answer = predict(a_network(q=q, within=within), source, 0, device=CPU, precision=precision)
    assert answer.map is not None
    assert answer.evidence is not None
    assert answer.probabilities.dtype == torch.float64
    assert answer.probabilities.sum().item() == pytest.approx(1, abs=1e-12)
    assert (answer.probabilities >= 0).all()
    shares = answer.evidence.shares.double().sum(dim=(1, 2))
    torch.testing.assert_close(shares, answer.evidence.scores, atol=1e-5, rtol=0)
    assert answer.probabilities.argmax() == answer.evidence.scores.argmax()
    if within == "field_of_view":
        assert (answer.evidence.shares[:, source.inside[0] == 0] == 0).all()


@pytest.mark.parametrize("views", [[View()], all_flips], ids=["one view", "four views"])
def test_spots_are_shown_as_they_decided(views: Sequence[View]) -> None:
    network, source = a_network(q="foreground", images={"size": SIDE, "finer": 2}), OnePhotograph(views)
    source.image = torch.rand(1, 4, SIDE, SIDE, generator=Generator().manual_seed(1))
    part = network.head.spots
    assert isinstance(part, SpotEvidence)
    torch.nn.init.constant_(network.head.decoder.out.bias[:1], 9)  # Next to no foreground: room for spots.
    without = predict(network, source, 0, device=CPU, precision="fp32")
    torch.nn.init.constant_(part.weight[:1], 3)
    answer = predict(network, source, 0, device=CPU, precision="fp32")
    assert answer.evidence is not None
    assert without.evidence is not None
    added = answer.evidence.scores - without.evidence.scores
    assert added[0] > 1
    assert added[1:].tolist() == [0, 0]
    torch.testing.assert_close(answer.evidence.shares.double().sum(dim=(1, 2)), answer.evidence.scores)
    torch.testing.assert_close(answer.probabilities, answer.evidence.scores.softmax(dim=0))


def test_the_colours_of_the_map_are_those_of_the_diagnosis() -> None:
    network, source = a_network(q="foreground", images={"size": SIDE, "finer": 2}), OnePhotograph([View()])
    source.image = torch.rand(1, 4, SIDE, SIDE, generator=Generator().manual_seed(1))
    torch.nn.init.constant_(network.head.decoder.out.bias[:1], 9)
    part = network.head.spots
    assert isinstance(part, SpotEvidence)
    for strength in (0.0, 3.0):
        torch.nn.init.constant_(part.weight[:1], strength)
        answer = predict(network, source, 0, device=CPU, precision="fp32")
        assert answer.map is not None
        pixels = answer.map.pixels[None].double()
        scores = evidence(pixels.log(), "foreground", source.inside, pixels).sum(dim=(2, 3))[0]
        torch.testing.assert_close(scores.double().softmax(dim=0), answer.probabilities, atol=1e-5, rtol=1e-4)


@every_way
def test_one_view_is_the_network_s_own_answer(q: str) -> None:
    network, source = a_network(q=q), OnePhotograph([View()])
    answer = predict(network, source, 0, device=CPU, precision="fp32")
    with torch.no_grad():
        expected = network.eval()(source.image, source.inside)
    assert answer.map is not None
    torch.testing.assert_close(answer.map.pixels, expected.map_logits[0].softmax(dim=0))
    torch.testing.assert_close(
        answer.probabilities, expected.class_logits[0].double().softmax(dim=0), atol=1e-5, rtol=1e-4
    )


@every_way
def test_views_are_brought_back_before_they_are_averaged(q: str) -> None:
    network, source = a_network(q=q), OnePhotograph(all_flips)
    averaged = predict(network, source, 0, device=CPU, precision="fp32")
    assert averaged.map is not None
    assert averaged.evidence is not None
    single = []
    for view in all_flips:
        seen = OnePhotograph([View()])
        seen.image, seen.inside = view.apply(source.image), view.apply(source.inside)
        found = predict(network, seen, 0, device=CPU, precision="fp32")
        assert found.map is not None
        assert found.evidence is not None
        single.append((view.undo(found.map.pixels), view.undo(found.evidence.shares)))
    torch.testing.assert_close(averaged.map.pixels, torch.stack([pixels for pixels, _ in single]).mean(dim=0))
    torch.testing.assert_close(averaged.evidence.shares, torch.stack([shares for _, shares in single]).mean(dim=0))


def test_a_frozen_network_answers_from_features_as_from_photographs() -> None:
    network = a_network(trainable="head")
    from_features = predict(network, OnePhotograph(all_flips, network), 0, device=CPU, precision="fp32")
    network.frozen = False
    from_photographs = predict(network, OnePhotograph(all_flips), 0, device=CPU, precision="fp32")
    torch.testing.assert_close(from_features.probabilities, from_photographs.probabilities)


@every_precision
@pytest.mark.parametrize(("method", "maps"), [("classification", False), ("multitask", True)])
def test_a_class_that_does_not_follow_from_a_map_averages_its_logits(method: str, maps: bool, precision: str) -> None:
    network, source = a_network(method, loss={"class_weight": 1}), OnePhotograph(all_flips)
    answer = predict(network, source, 0, device=CPU, precision=precision)
    assert (answer.map is not None) == maps
    assert answer.evidence is None
    assert answer.probabilities.sum().item() == pytest.approx(1, abs=1e-12)
    if precision == "fp32":
        with torch.no_grad():
            logits = [network.eval()(look.inputs, look.inside).class_logits[0].double() for look in source.looks([0])]
        torch.testing.assert_close(answer.probabilities, torch.stack(logits).mean(dim=0).softmax(dim=0))


class ManyPhotographs(OnePhotograph):
    """A source of several photographs with one field of view."""

    def looks(self, cases: Sequence[int]) -> list[Look]:
        """Show those that are asked for."""
        drawn = [torch.rand(3, SIDE, SIDE, generator=Generator().manual_seed(case)) for case in cases]
        images, inside = torch.stack(drawn), self.inside.expand(len(cases), -1, -1)
        return [Look(view, view.apply(images), view.apply(inside)) for view in self.views]


@pytest.mark.parametrize("method", ["cvs, mean", "cvs, probability", "cvs, foreground", "classification", "multitask"])
def test_many_at_once_are_answered_as_one_by_one(method: str) -> None:
    method, _, q = method.partition(", ")
    network, source = a_network(method, loss={"class_weight": 1}, q=q or "mean"), ManyPhotographs(all_flips)
    cases = [4, 1, 7, 2, 5]
    at_once = predict_classes(network, source, cases, device=CPU, precision="fp32")
    single = [predict(network, source, case, device=CPU, precision="fp32").probabilities for case in cases]
    torch.testing.assert_close(at_once, torch.stack(single), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(at_once.sum(dim=1), torch.ones(5, dtype=torch.float64))


def test_the_map_of_a_multi_task_network_is_brought_back_too() -> None:
    network, source = a_network("multitask", loss={"class_weight": 1}), OnePhotograph([all_flips[3]])
    answer = predict(network, source, 0, device=CPU, precision="fp32")
    assert answer.map is not None
    with torch.no_grad():
        seen = network.eval()(all_flips[3].apply(source.image), all_flips[3].apply(source.inside))
    torch.testing.assert_close(answer.map.pixels, all_flips[3].undo(seen.map_logits.softmax(dim=1))[0])


def test_predicting_changes_nothing_and_gives_the_same_again() -> None:
    network, source = a_network(), OnePhotograph(all_flips)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    first, second = (predict(network, source, 0, device=CPU, precision="fp32") for _ in range(2))
    assert torch.equal(first.probabilities, second.probabilities)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@every_precision
@pytest.mark.parametrize("method", ["cvs", "multitask"])
@pytest.mark.parametrize("trainable", ["all", "head"])
def test_foreground_of_a_batch_is_that_of_the_single_answer(precision: str, method: str, trainable: str) -> None:
    network = a_network(method, trainable, loss={"class_weight": 1})
    source = OnePhotograph(all_flips, network if trainable == "head" else None)
    answer = predict(network, source, 0, device=CPU, precision=precision)
    found = predict_foreground(network, source, [0], device=CPU, precision=precision)
    assert answer.map is not None
    torch.testing.assert_close(found[0], answer.map.foreground * source.inside[0], atol=1e-6, rtol=0)


def test_without_a_map_there_is_no_foreground() -> None:
    with pytest.raises(TypeError, match="Expected a network with a map"):
        predict_foreground(a_network("classification"), OnePhotograph([View()]), [0], device=CPU, precision="fp32")
