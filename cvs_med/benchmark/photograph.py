"""One photograph on its way to a stored answer."""

import statistics
import tempfile
from pathlib import Path

import torch

from cvs_med import environment
from cvs_med.augmentation import flips
from cvs_med.benchmark.rounds import Ratio, Result, alternate
from cvs_med.images import read_image
from cvs_med.prediction import ensemble, files, gate_file, pictures, stream
from cvs_med.types import OwnFile


def predict(run: Path, image: Path, *, rounds: int) -> Result:
    """Time one photograph to its stored overlay, beside decoding it and the bare networks on the same views.

    The networks' pass is the least that the answer needs: the encoder on every mirrored view, and every head.

    Raises:
        CvsMedError: run or photograph are not as they should be.
    """
    device = torch.device("cpu")
    networks = ensemble.read(run, device=device).fused()
    gates = gate_file.of_run(run, networks, lambda done, total: None)
    prepared = stream.prepare(image, networks.recipe)
    views = flips(networks.protocol.augmentation)
    images, inside = (
        torch.cat([view.apply(torch.from_numpy(plane)[None].float() / 255) for view in views])
        for plane in (prepared.planes, prepared.field_of_view)
    )
    images = images.contiguous(memory_format=torch.channels_last)
    names = networks.card.class_names
    with tempfile.TemporaryDirectory() as folder:

        def whole() -> None:
            decoded = stream.prepare(image, networks.recipe)
            row, opinion = stream.look(networks, gates, image.name, files.digest(image), decoded)
            pictures.write(Path(folder), row, opinion, decoded, names)

        def bare() -> None:
            read_image(OwnFile(image))
            networks.outputs(images, inside)

        ours, least = (statistics.median(times) for times in alternate([whole, bare], rounds))
    ratio = Ratio("photograph to stored overlay : decoding and networks", 1000 * ours, 1000 * least, ours / least, "ms")
    return Result((ratio,), rounds, environment.describe(device, networks.precision))
