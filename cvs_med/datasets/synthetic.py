"""Phantom: synthetic fundus photographs, generated on first use, in the layout of HRF."""

from functools import partial
from pathlib import Path

from cvs_med.datasets import fundus
from cvs_med.datasets.dataset import DataSet

CODES = ("h", "dr", "g")


def _prepare(target: Path) -> None:
    from cvs_med.datasets import phantom

    phantom.make(target, cases=60, size=512, seed=0)


PHANTOM = DataSet(
    name="phantom",
    title="Phantom, synthetic fundus photographs",
    class_names=("healthy", "diabetic retinopathy", "glaucoma"),
    class_codes=CODES,
    foreground="vessels",
    licence="Apache-2.0, as cvs-med itself",
    citation="cvs-med; no publication.",
    notes=("The photographs are synthetic: results on them say nothing about patients.",),
    survey=partial(fundus.survey, codes=CODES),
    prepare=_prepare,
    surroundings=True,
)
