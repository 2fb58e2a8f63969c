"""BiT's HyperRule: how long to fine-tune, at which rate, and whether to mix images, from the number of training cases.

Kolesnikov et al.: "Big Transfer (BiT): General Visual Representation Learning", arXiv 1912.11370, section 3.3.
"""

from dataclasses import dataclass

from cvs_med.protocol import Protocol


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule for one number of cases.

    Attributes:
        steps: optimiser steps in all.
        warm_up: steps in which the rate rises from zero.
        decays: steps after which the rate falls to a tenth.
        mixup: strength of mixing images.
    """

    steps: int
    warm_up: int
    decays: tuple[int, int, int]
    mixup: float


_SMALL = Rule(500, 100, (200, 300, 400), 0)
_MEDIUM = Rule(10_000, 500, (3000, 6000, 9000), 0.1)
_LARGE = Rule(20_000, 500, (6000, 12_000, 18_000), 0.1)


def rule(cases: int) -> Rule:
    """Choose by the number of training cases: below 20,000, below 500,000, or more."""
    if cases < 20_000:
        return _SMALL
    return _MEDIUM if cases < 500_000 else _LARGE


def resolved(protocol: Protocol, cases: int) -> Protocol:
    """Write the rule's length and mixup into a protocol that asks for it; give any other back as it is.

    Args:
        protocol: the experiment; a `training.steps` of its own is kept, and the rule's schedule shortened to it.
        cases: how many the training part has.
    """
    settings = protocol.training
    if settings.schedule != "hyperrule":
        return protocol
    chosen = rule(cases)
    training = settings.model_copy(update={"steps": settings.steps or chosen.steps})
    augmentation = protocol.augmentation.model_copy(update={"mixup": chosen.mixup})
    return protocol.model_copy(update={"training": training, "augmentation": augmentation})


def factor(done: float, cases: int) -> float:
    """Give the rate, as a multiple of the base rate, when a share of the steps is done."""
    chosen = rule(cases)
    step = done * chosen.steps
    if step < chosen.warm_up:
        return step / chosen.warm_up
    return float(0.1 ** sum(step > decay for decay in chosen.decays))
