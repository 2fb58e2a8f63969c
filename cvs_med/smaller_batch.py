"""Out of memory: half the batch where the protocol allows it, written down, and the training from its beginning.

What comes of it is what the protocol would have given with that batch from the start: no training is half of one batch
size and half of another.
"""

from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from cvs_med import checkpoints
from cvs_med.errors import RunError
from cvs_med.evaluation import read_json
from cvs_med.protocol import Protocol
from cvs_med.tables import write_bytes

FILE = "batch.json"
"""Lies beside a training whose batch was halved."""

_FEWEST = 2
"""Images of a batch, on each device, that batch norm can learn from whatever the size of its maps."""


class Halved(BaseModel):
    """batch.json: the batch size that the protocol asks for, and the one that memory was enough for."""

    model_config = ConfigDict(frozen=True)

    asked: int
    used: int


def settled(protocol: Protocol, folder: Path) -> Protocol:
    """Give the protocol with the batch size that this training has come to."""
    if not (folder / FILE).exists():
        return protocol
    used = read_json(folder / FILE, Halved).used
    training = protocol.training.model_copy(update={"batch_size": used, "smaller_batches": {}})
    return protocol.model_copy(update={"training": training})


def is_out_of_memory(error: BaseException) -> bool:
    """Tell an allocation that failed, on the processor or on a GPU, from other errors."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def reason(error: BaseException) -> str:
    """Give the first line of what an allocation that failed says of itself, for the middle of a sentence."""
    return next(iter(str(error).splitlines()), "too little memory").rstrip(".")


def halve(
    protocol: Protocol, folder: Path, cases: int, checkpoint: Path, error: BaseException, devices: int = 1
) -> str:
    """Halve the batch of the training in this folder, to what its devices can share evenly, and say so.

    Raises:
        RunError: the protocol does not allow it, or the batch cannot be halved any more.
    """
    size = min(protocol.training.batch_for(cases), cases)
    half = size // 2 // devices * devices
    found = f"{folder}: expected memory for a batch of {size}, found: {reason(error)}."
    if not protocol.training.halve_batch or half < _FEWEST * devices:
        remedy = "Free some memory, and the same command goes on; or ask, with another --out, for a smaller images.size"
        if half >= _FEWEST * devices:
            remedy += f", for training.batch_size={half}, or for training.halve_batch=true"
        raise RunError(f"{found} {remedy}.") from error
    asked = read_json(folder / FILE, Halved).asked if (folder / FILE).exists() else size
    # In this order: a state of the larger batch must never be gone on from with the smaller one.
    checkpoints.restart(checkpoint)
    write_bytes(folder / FILE, f"{Halved(asked=asked, used=half).model_dump_json()}\n".encode())
    return f"{found} This training begins anew with batches of {half}, as training.halve_batch allows."


def recorded(run: Path) -> dict[str, str]:
    """List the trainings of a run, also those inside its folds, whose batch was halved, for environment.json."""
    files = sorted(run.glob(f"fold-*/**/{FILE}"))
    found = {file.parent.relative_to(run).as_posix(): read_json(file, Halved) for file in files}
    return {f"batch of {name}": f"{one.used} instead of {one.asked}: out of memory" for name, one in found.items()}
