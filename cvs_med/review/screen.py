"""Everything that the screen of a case shows, made at once, so that it can be made before it is asked for."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from cvs_med.report import case_maps
from cvs_med.review import findings, layers, pictures, provenance
from cvs_med.review.flags import Flags
from cvs_med.review.layers import Layer
from cvs_med.review.pictures import Photograph
from cvs_med.review.run import FinishedRun

KEPT = 32
"""Cases kept ready for all readers together; a case takes some two megabytes."""

PAUSE = 0.3
"""Seconds after which the next cases are made: making one takes the time of the answer that is on its way."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What is shown of a case.

    Attributes:
        photograph: the photograph with its place.
        layers: what lies over it.
        diagnosis: classes and probabilities in words.
        reasons: who answered, what it rests on, and what is unusual; a sentence each.
        image_digest: SHA-256 of the photograph's file as it was shown; None where it was not.
    """

    photograph: Photograph
    layers: tuple[Layer, ...]
    diagnosis: str
    reasons: tuple[str, ...]
    image_digest: str | None = None


def make(run: FinishedRun, case_id: str, flags: Flags) -> Screen:
    """Read a case and draw its layers; also learn the digests that its answer will name.

    Raises:
        RunError: the case's maps are missing or damaged.
    """
    case = case_maps.load(run.path, run.predictions[case_id])
    photograph = pictures.photograph(run, case_id, case)
    drawn = layers.of_case(case, run.class_names, run.card.foreground, run.derived(case_id), photograph.place)
    said = [findings.who_answered(run, case_id), findings.sureness(run, case_id)]
    region = findings.disc_region(case, run.card.foreground, run.crop)
    said += [findings.rests_on(run.class_names, run.card.foreground, case, region), findings.area(run, case_id) or ""]
    said += [flags.said(case_id)]
    provenance.of_network(run, case_id)
    shown = provenance.of_photograph(run, case_id) if photograph.native else None
    diagnosis = findings.diagnosis(run.class_names, run.predictions[case_id].probabilities)
    return Screen(photograph, tuple(drawn), diagnosis, tuple(filter(None, said)), shown)


class Desk:
    """Keeps the screens of the last cases, and makes those of the next while the reader still looks at this one."""

    def __init__(self, run: FinishedRun, flags: Flags) -> None:
        """Begin with nothing made."""
        self._run, self._flags = run, flags
        self._made: dict[str, Future[Screen]] = {}
        self._changing = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="next case")

    def screen(self, case_id: str) -> Screen:
        """Give a screen, as soon as it is made.

        Raises:
            RunError: the case's maps are missing or damaged.
        """
        return self._begin(case_id).result()

    def ready(self, case_id: str) -> Screen | None:
        """Give a screen if it is made already; what went wrong is told when it is opened."""
        made = self._made.get(case_id)
        return made.result() if made and made.done() and made.exception() is None else None

    def prepare(self, case_ids: Sequence[str]) -> None:
        """Make screens soon: not while the browser still waits for the one that is shown now."""
        timer = threading.Timer(PAUSE, lambda: [self._begin(case_id) for case_id in case_ids])
        timer.daemon = True
        timer.start()

    def _begin(self, case_id: str) -> "Future[Screen]":
        with self._changing:
            made = self._made.pop(case_id, None) or self._pool.submit(make, self._run, case_id, self._flags)
            self._made[case_id] = made  # the newest stands last
            if len(self._made) > KEPT:
                del self._made[next(iter(self._made))]
            return made
