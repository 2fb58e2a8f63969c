"""Trying an image: all networks of the run answer for a photograph that was handed in, and nothing of it is kept."""

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cvs_med.errors import ReviewError
from cvs_med.images import read_image
from cvs_med.prediction import ensemble, gate_file, pictures, stream
from cvs_med.prediction.answers import Row
from cvs_med.prediction.ensemble import Ensemble
from cvs_med.prediction.gates import Gates
from cvs_med.prediction.opinion import Opinion
from cvs_med.report.case_maps import CaseMap
from cvs_med.review import findings, flags, layers
from cvs_med.review.pictures import Photograph, jpeg
from cvs_med.review.run import FinishedRun
from cvs_med.review.screen import Screen
from cvs_med.review.upload import Upload, as_file
from cvs_med.squares import Square
from cvs_med.tables import write_bytes

_NOTHING_UNUSUAL = "Image quality and likeness to the training photographs: nothing unusual."


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What became of a photograph that was handed in.

    Attributes:
        screen: what is shown of it; without layers and diagnosis where a gate is closed.
        row: the answer as `predict` would write it.
        opinion: of the networks together.
        prepared: what they saw.
        upload: the file.
    """

    screen: Screen
    row: Row
    opinion: Opinion
    prepared: Square
    upload: Upload


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The networks of a run, ready to answer; one photograph at a time, as the machine is shared.

    Attributes:
        run: the run.
        networks: all that it has.
        gates: of the run.
        turn: who holds it computes.
    """

    run: FinishedRun
    networks: Ensemble
    gates: Gates
    turn: threading.Lock

    def look(self, upload: Upload) -> Trial:
        """Answer for a photograph.

        Raises:
            ReviewError: it cannot be read or is too large.
        """
        with self.turn, as_file(upload, self.networks.card.reading) as file:
            pixels = read_image(file)
            prepared = stream.prepare_pixels(pixels, self.networks.recipe)
            row, opinion = stream.look(self.networks, self.gates, "photograph", upload.sha256, prepared)
        shown = Photograph(jpeg(Image.fromarray(pixels), 92), "image/jpeg", prepared.geometry, native=True)
        return Trial(self._screen(shown, row, opinion, prepared), row, opinion, prepared, upload)

    def _screen(self, shown: Photograph, row: Row, opinion: Opinion, prepared: Square) -> Screen:
        if row.flags:
            return Screen(shown, (), "", self._refused(row, opinion))
        card = self.networks.card
        case = pictures.case_map(opinion, prepared, len(card.class_names))
        drawn = layers.of_case(case, card.class_names, card.foreground, str(row.derived), shown.place)
        said = [_votes(row), *self._reasons(case), _NOTHING_UNUSUAL]
        return Screen(shown, tuple(drawn), findings.diagnosis(card.class_names, row.probabilities), tuple(said))

    def _refused(self, row: Row, opinion: Opinion) -> tuple[str, str]:
        """Say why there is no diagnosis, and how often that happens to the run's own photographs."""
        rule = self.networks.abstention
        unsure = rule.reasons(opinion.probabilities) if rule else []
        if strange := [flag for flag in row.flags if flag not in unsure]:
            said = f"It is none of those that the networks were made for: {'; '.join(strange)}."
            return f"{said} No diagnosis is given.", _false_alarms(self.gates)
        sent = len(flags.of_run(self.run).sent)
        return (
            f"The networks do not say: {'; '.join(unsure)}. A human decides.",
            f"Of the run's own {len(self.run.ids)} photographs, {sent} were sent to a human by the threshold of their "
            "fold.",
        )

    def _reasons(self, case: CaseMap) -> list[str]:
        card = self.networks.card
        region = findings.disc_region(case, card.foreground, self.networks.protocol.images.crop)
        density = None
        if case.foreground is not None and case.field_of_view is not None:
            own = float((case.foreground >= 128)[case.field_of_view > 0].mean())
            rows = self.run.segmentation.values()
            known = [row.gold_fraction for row in rows if row.gold_fraction is not None]
            density = findings.spread(own, known, card.foreground, "drawn")
        return [findings.rests_on(card.class_names, card.foreground, case, region), *filter(None, [density])]


def convene(run: FinishedRun) -> Panel:
    """Read the networks of a run and its gates, which are fitted now if they never were.

    Raises:
        RunError: the run keeps no networks, a file is damaged, or the photographs that gates are fitted on are missing.
    """
    networks = ensemble.read(run.path, device=torch.device("cpu"))
    return Panel(run, networks, gate_file.of_run(run.path, networks, lambda *_: None), threading.Lock())


def keep(trial: Trial, names: Sequence[str], folder: Path) -> Path:
    """Keep a photograph and its answer because the reader says so; its name was forgotten long ago.

    Args:
        trial: what to keep.
        names: of the P classes.
        folder: made if missing.

    Returns:
        The folder it lies in, named by its content.

    Raises:
        ReviewError: the disk refuses.
    """
    place = folder / trial.upload.sha256[:16]
    try:
        pictures.write(place, trial.row, trial.opinion, trial.prepared, names)
        write_bytes(place / f"photograph{trial.upload.ending}", trial.upload.content)
        write_bytes(place / "answer.json", json.dumps(asdict(trial.row), indent=2).encode())
    except OSError as error:
        raise ReviewError(f"{place}: {error.strerror}. It was NOT kept: make room, then try again.") from error
    return place


def _votes(row: Row) -> str:
    best = int(np.argmax(row.probabilities))
    if row.models == 1:
        return "One network answered."
    said = findings.agreement(str(row.derived), row.agreeing, row.models, row.lowest[best], row.highest[best])
    return f"{said[0].upper()}{said[1:]}."


def _false_alarms(gates: Gates) -> str:
    return (
        f"Of the run's own {gates.alarms.photographs} photographs, {gates.alarms.either} would have been refused "
        "likewise."
    )
