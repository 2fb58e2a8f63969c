"""Out of memory: a smaller batch only where it is allowed, and as if it had been asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cvs_med import smaller_batch
from cvs_med.batches import Batch, PhotographBatches
from cvs_med.errors import RunError
from cvs_med.protocol import load

Run = Callable[..., object]

MOST = 3
"""Images that the memory of these tests is enough for."""

TINY = ("network.backbone=wideresnet-10-1", "network.decoder=transposed", "images.size=32")


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch that is too large ask the allocator for more than there is."""
    real = PhotographBatches.training

    def training(self: PhotographBatches, cases: list[int], generator: torch.Generator) -> Batch:
        if len(cases) > MOST:
            torch.empty(1 << 60, dtype=torch.uint8)
        return real(self, cases, generator)

    monkeypatch.setattr(PhotographBatches, "training", training)


def test_without_leave_it_is_refused_with_what_can_be_done(
    little_memory: None, cross_validate: Run, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"a batch of 6, found: .*training\.batch_size=3, .*halve_batch=true"):
        cross_validate(tmp_path / "run", *TINY, "training.batch_size=6")
    assert not any(tmp_path.rglob(smaller_batch.FILE))


def test_with_leave_it_is_halved_recorded_and_the_same_as_if_asked_for(
    little_memory: None, cross_validate: Run, tmp_path: Path
) -> None:
    cross_validate(tmp_path / "asked", *TINY, "training.batch_size=3")
    cross_validate(tmp_path / "halved", *TINY, "training.batch_size=6", "training.halve_batch=true")
    asked, halved = ((tmp_path / name / "predictions.csv").read_bytes() for name in ("asked", "halved"))
    assert asked == halved
    assert '"batch of fold-2": "3 instead of 6: out of memory"' in (tmp_path / "halved/environment.json").read_text()
    assert "instead of" not in (tmp_path / "asked/environment.json").read_text()


def test_a_run_that_was_halved_and_stopped_goes_on_with_the_smaller_batch(
    little_memory: None, cross_validate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*TINY, "training.batch_size=6", "training.halve_batch=true")

    class Impatient:
        def stage(self, text: str) -> None: ...

        def counted(self, done: int, total: int) -> None: ...

        def epoch(self, fold: int, epoch: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_validate(tmp_path / "run", *settings, observer=Impatient())
    watching = cross_validate(tmp_path / "run", *settings)
    assert watching.epochs[0] == (0, 1)  # type: ignore[attr-defined]  # the observer of conftest.py
    cross_validate(tmp_path / "undisturbed", *settings)
    runs = [(tmp_path / name / "predictions.csv").read_bytes() for name in ("run", "undisturbed")]
    assert runs[0] == runs[1]


def test_a_batch_of_two_is_not_halved(cross_validate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> Batch:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB.")

    monkeypatch.setattr(PhotographBatches, "training", none)
    settings = (*TINY, "training.batch_size=4", "training.halve_batch=true")
    with pytest.raises(RunError, match=r"a batch of 2, found: CUDA out of memory\. Free some memory"):
        cross_validate(tmp_path / "run", *settings)


def test_a_halved_batch_is_one_that_its_devices_can_share(tmp_path: Path) -> None:
    def halved(asked: int, devices: int) -> int:
        settings = [f"training.batch_size={asked}", "training.halve_batch=true"]
        folder = tmp_path / f"{asked}-{devices}"
        folder.mkdir()
        smaller_batch.halve(load("phantom", settings), folder, 100, folder / "state", MemoryError("none"), devices)
        return smaller_batch.settled(load("phantom", settings), folder).training.batch_size

    assert [halved(18, devices) for devices in (1, 2, 3)] == [9, 8, 9]
    with pytest.raises(RunError, match="a batch of 6, found: none"):
        halved(6, 2)


def test_other_errors_are_not_taken_for_it() -> None:
    for error in (RuntimeError("shapes do not match"), ValueError("DefaultCPUAllocator"), KeyboardInterrupt()):
        assert not smaller_batch.is_out_of_memory(error)
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert smaller_batch.is_out_of_memory(caught.value)
