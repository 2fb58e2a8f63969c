"""What a network trains on and answers for: batches of photographs, or of a frozen encoder's features."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Generator, Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from cvs_med.augmentation import View, augment, flips, mixup, unit
from cvs_med.cache import Photographs
from cvs_med.features import Features
from cvs_med.label_maps import label_map
from cvs_med.networks.fine import FINE, FOREGROUND
from cvs_med.networks.signs import SIGNS
from cvs_med.protocol_sections import Augmentation

Inputs = Tensor | Mapping[int, Tensor]


class Batch(NamedTuple):
    """One step's data on the device.

    Attributes:
        inputs: photographs (B, 3, H, W), with K signs (B, 3 + K, H, W), or levels of features.
        label_map: (B, H, W), 0 to P.
        labels: (B,), 0 to P - 1; of mixed or relabelled photographs (B, P), the share of every class.
        inside: (B, H, W), one inside the field of view.
    """

    inputs: Inputs
    label_map: Tensor
    labels: Tensor
    inside: Tensor


class Look(NamedTuple):
    """One view of B cases, without their reference.

    Attributes:
        view: how they are seen.
        inputs: photographs (B, 3, H, W), or levels of features.
        inside: (B, H, W), one inside the field of view, seen the same way.
    """

    view: View
    inputs: Inputs
    inside: Tensor


class Lessons(Protocol):
    """Anything that gives batches to learn from."""

    def training(self, cases: Sequence[int], generator: Generator) -> Batch:
        """Draw a randomly changed batch of these cases."""
        ...

    def on(self, device: torch.device) -> "Lessons":
        """Give the same batches on another device."""
        ...


class Source(Lessons, Protocol):
    """Anything that gives batches to learn from, and cases to answer for."""

    def looks(self, cases: Sequence[int]) -> list[Look]:
        """Give these cases in every view that a prediction averages over."""
        ...

    def on(self, device: torch.device) -> "Source":
        """Give the same batches on another device."""
        ...


@dataclass(frozen=True, slots=True)
class PhotographBatches:
    """Photographs of `classes` classes, changed at random on the device."""

    photographs: Photographs
    labels: Tensor
    classes: int
    augmentation: Augmentation
    device: torch.device

    def training(self, cases: Sequence[int], generator: Generator) -> Batch:
        """Draw a randomly changed batch of these cases."""
        chosen = torch.tensor(cases)
        images = self.photographs.images[chosen].to(self.device)
        signs = [] if self.photographs.signs is None else self.photographs.signs[chosen].unbind(1)
        masks = [self.photographs.foreground[chosen], self.photographs.field_of_view[chosen], *signs]
        images, planes = augment(images, torch.stack(masks, dim=1).to(self.device), self.augmentation, generator)
        batch = _batch(images, planes[:, 0], planes[:, 1], self.labels[chosen].to(self.device))
        shares = batch.labels
        if self.augmentation.mixup:
            images, shares = mixup(images, shares, self.classes, self.augmentation.mixup, generator)
        if signs:
            images = torch.cat([images, planes[:, 2:]], dim=1)
        return batch._replace(inputs=images.contiguous(memory_format=torch.channels_last), labels=shares)

    def looks(self, cases: Sequence[int]) -> list[Look]:
        """Give these cases mirrored in every way that training allows."""
        chosen = torch.tensor(cases)
        images = unit(self.photographs.images[chosen].to(self.device))
        if self.photographs.signs is not None:
            images = torch.cat([images, unit(self.photographs.signs[chosen].to(self.device))], dim=1)
        seen = unit(self.photographs.field_of_view[chosen].to(self.device))
        return [
            Look(view, view.apply(images).contiguous(memory_format=torch.channels_last), view.apply(seen))
            for view in flips(self.augmentation)
        ]

    def on(self, device: torch.device) -> "PhotographBatches":
        """Give the same batches on another device."""
        return replace(self, device=device)


@dataclass(frozen=True, slots=True)
class RelabelledBatches:
    """Another source's batches with labels of our own instead: `shares` (N, P), in the order of the cases.

    A row may sum to less than one: the cross-entropy of its case is weighted by that sum.
    """

    source: Lessons
    shares: Tensor
    device: torch.device

    def training(self, cases: Sequence[int], generator: Generator) -> Batch:
        """Draw a randomly changed batch of these cases, with our labels."""
        batch = self.source.training(cases, generator)
        return batch._replace(labels=self.shares[list(cases)].to(self.device))

    def on(self, device: torch.device) -> "RelabelledBatches":
        """Give the same batches on another device."""
        return RelabelledBatches(self.source.on(device), self.shares, device)


@dataclass(frozen=True, slots=True)
class FeatureBatches:
    """Features of a frozen encoder, each case in a view drawn at random.

    Attributes:
        photographs: N of them.
        features: of them.
        levels: those that are read.
        labels: (N,).
        device: where batches go.
        known: (N, S, S), the foreground's probability where a stage has found it already; training reads that, and not
            the finer square. None where no stage has.
    """

    photographs: Photographs
    features: Features
    levels: tuple[int, ...]
    labels: Tensor
    device: torch.device
    known: Tensor | None = None

    def training(self, cases: Sequence[int], generator: Generator) -> Batch:
        """Draw a view for each of these cases."""
        views = torch.randint(len(self.features.views), (len(cases),), generator=generator).tolist()
        masks = self._seen(self._masks, cases, views)
        inputs = self._inputs(cases, views)
        if self.known is not None:
            inputs[FOREGROUND] = self._seen(partial(_planes, self.known[:, None]), cases, views)
        return _batch(inputs, masks[:, 0], masks[:, 1], self.labels[list(cases)].to(self.device))

    def looks(self, cases: Sequence[int]) -> list[Look]:
        """Give these cases in every view without a turn."""
        seen = torch.cat([self._masks(case) for case in cases])[:, 1].to(self.device)
        plain = [(number, view) for number, view in enumerate(self.features.views) if not view.degrees]
        return [Look(view, self._whole(cases, number, view), view.apply(seen)) for number, view in plain]

    def on(self, device: torch.device) -> "FeatureBatches":
        """Give the same batches on another device."""
        return replace(self, device=device)

    def _whole(self, cases: Sequence[int], number: int, view: View) -> Inputs:
        """Give all that is looked at of cases in one view, the finer square too."""
        inputs, fine = self._inputs(cases, [number] * len(cases)), self.photographs.fine
        return inputs if fine is None else inputs | {FINE: unit(folded(view, fine[list(cases)]).to(self.device))}

    def _inputs(self, cases: Sequence[int], views: Sequence[int]) -> dict[int, Tensor]:
        maps = self.features.maps(cases, views, self.levels)
        levels = {level: feature.to(self.device) for level, feature in maps.items()}
        signs = self.photographs.signs
        return levels if signs is None else levels | {SIGNS: self._seen(partial(_planes, signs), cases, views)}

    def _seen(self, planes: Callable[[int], Tensor], cases: Sequence[int], views: Sequence[int]) -> Tensor:
        """Stack planes of cases, each in its view."""
        found = [self.features.views[view].apply(planes(case)) for case, view in zip(cases, views, strict=True)]
        return torch.cat(found).to(self.device)

    def _masks(self, case: int) -> Tensor:
        found = (self.photographs.foreground[case], self.photographs.field_of_view[case])
        return torch.stack(found)[None].float() / 255


def folded(view: View, fine: Tensor) -> Tensor:
    """Show folded finer squares (B, k * k, S, S) in a view without a turn."""
    times = round(fine.shape[1] ** 0.5)
    return pixel_unshuffle(view.apply(pixel_shuffle(fine, times)), times)


def _planes(planes: Tensor, case: int) -> Tensor:
    """Take the planes of a case out of (N, K, S, S): (1, K, S, S), 0 to 1."""
    return unit(planes[case, None])


def _batch(inputs: Inputs, foreground: Tensor, seen: Tensor, labels: Tensor) -> Batch:
    """Threshold the foreground fraction at one half, and apply the paper's label map."""
    return Batch(inputs, label_map(foreground >= 0.5, labels), labels, (seen >= 0.5).float())
