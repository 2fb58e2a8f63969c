"""What can befall a long run: real processes, real faults, nothing lost and the same predictions at the end."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import cvs_med
from cvs_med import checkpoints

pytestmark = pytest.mark.slow

KILLS = 20
EPOCHS = 60

SETTINGS = (
    "images.size=32", "network.backbone=wideresnet-10-1", "network.decoder=transposed", "training.batch_size=4",
    "training.precision=fp32", f"training.epochs={EPOCHS}", "splits.folds=3",
)  # fmt: skip

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def start(phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Start `cvs-med cv` as a process: `start(out)`, `first` what it runs before; other options are Popen's."""
    command = ["cv", "--dataset", "phantom"]
    command += ["--data-dir", str(phantom_folder), "--device", "cpu"]
    command += [part for setting in SETTINGS for part in ("--set", setting)]
    settings = {
        "CVS_MED_CACHE": str(tmp_path_factory.mktemp("cache")),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(cvs_med.__file__).parent.parent),
    }

    def started(out: Path, first: str = "", **options: object) -> subprocess.Popen[str]:
        program = f"{first}\nfrom cvs_med.cli import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", program, *command, "--out", str(out)], env=os.environ | settings, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options,
        )  # type: ignore[call-overload]  # fmt: skip  # options are passed on as they are

    return started


@pytest.fixture(scope="module")
def undisturbed(start: Start, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """What an undisturbed run comes to, and the seconds it took."""
    out, began = tmp_path_factory.mktemp("undisturbed") / "run", time.monotonic()
    finish(start, out)
    return results(out), time.monotonic() - began


def finish(start: Start, out: Path, **options: object) -> str:
    """Run to the end; what was said on the way."""
    process = start(out, **options)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return said


def results(run: Path) -> dict[str, bytes]:
    """Read what must not depend on what befell a run; files that it should not have left behind count, too."""
    timed = {"environment.json", "history.csv", "report.html", "learning.png", ".lock"}
    files = (path for path in run.rglob("*") if path.is_file())
    return {str(path.relative_to(run)): b"" if path.name in timed else path.read_bytes() for path in files}


def checkpoint_of(out: Path, fold: int = 1) -> Path:
    return out / f"fold-{fold}" / checkpoints.FILE


def until(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    """Wait until something has happened while a process works."""
    while not happened():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)


@contextmanager
def paused(process: subprocess.Popen[str]) -> Iterator[None]:
    """Let a process wait, so that how fast the machine is does not matter."""
    process.send_signal(signal.SIGSTOP)
    yield
    process.send_signal(signal.SIGCONT)


def stopped_in_second_fold(start: Start, out: Path, number: int = signal.SIGKILL) -> tuple[int, str]:
    """Send a signal once the second fold has kept two states; give the code of the process and what it said."""
    process = start(out)
    until(process, checkpoint_of(out).with_name("checkpoint.previous.pt").exists)
    process.send_signal(number)
    _, said = process.communicate()
    return process.returncode, said


def test_killed_at_twenty_random_moments(
    start: Start, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    expected, seconds = undisturbed
    moments = random.Random(0)
    runs, kills = [tmp_path / "run-0"], 0
    while kills < KILLS:
        process, began = start(runs[-1]), time.monotonic()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=moments.uniform(0, 1) * seconds)
        if process.poll() is None:
            process.kill()
            process.communicate()
            kills += 1
        else:
            assert process.returncode == 0
            seconds = min(seconds, time.monotonic() - began)  # The machine may have become faster.
            runs.append(tmp_path / f"run-{len(runs)}")
    finish(start, runs[-1])
    for run in runs:
        assert results(run) == expected


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 80 MB; its folder."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mount.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(start: Start, undisturbed: tuple[dict[str, bytes], float], small_disk: Path) -> None:
    out, ballast = small_disk / "run", small_disk / "ballast"
    process = start(out)
    until(process, checkpoint_of(out).exists)
    with paused(process), ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    _, said = process.communicate()
    assert process.returncode == 2
    assert "No space left on device. Make room or choose another folder; what was computed stays." in said
    assert "Traceback" not in said
    ballast.unlink()
    assert "Fold 1 of 3" in finish(start, out)
    assert results(out) == undisturbed[0]


def test_a_file_that_may_not_grow(start: Start, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path) -> None:
    # A quota on the size of files stands for a full disk where none can be mounted.
    process = start(tmp_path / "run")
    until(process, checkpoint_of(tmp_path / "run").exists)
    with paused(process):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (10_000, 10_000))
    _, said = process.communicate()
    assert process.returncode == 2
    assert "expected to write here, found: File too large. Make room" in said
    assert str(tmp_path / "run" / "fold-1") in said
    finish(start, tmp_path / "run")
    assert results(tmp_path / "run") == undisturbed[0]


@pytest.mark.parametrize("damage", ["truncated", "a bit flipped", "both truncated"])
def test_a_damaged_checkpoint(
    start: Start, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path, damage: str
) -> None:
    out = tmp_path / "run"
    stopped_in_second_fold(start, out)
    last = checkpoint_of(out)
    previous = last.with_name("checkpoint.previous.pt")
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 4
    last.write_bytes(content if damage == "a bit flipped" else content[:-1000])
    if damage == "both truncated":
        previous.write_bytes(previous.read_bytes()[:-1000])
    said = " ".join(finish(start, out).split())
    assert "is damaged: its SHA-256 is not the one it was written with." in said
    assert ("This training begins anew." in said) == (damage == "both truncated")
    assert ("Going on from the state before it." in said)
    assert results(out) == undisturbed[0]


@pytest.mark.parametrize("years", [-30, 30])
def test_a_clock_that_was_wrong(
    start: Start, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path, years: int
) -> None:
    # As if the clock had been set before the run goes on: its files are of the future, or very old.
    out = tmp_path / "run"
    stopped_in_second_fold(start, out)
    then = time.time() + years * 365 * 86400
    for path in (out, *out.rglob("*")):
        os.utime(path, (then, then))
    finish(start, out)
    assert results(out) == undisturbed[0]


CLOCK_SET_BACK = """
import time
began, real, real_ns, set_back = time.perf_counter(), time.time, time.time_ns, 86400
late = lambda: set_back * (time.perf_counter() - began > 1)
time.time = lambda: real() - late()
time.time_ns = lambda: real_ns() - late() * 10**9
"""


def test_a_clock_that_is_set_back_while_it_works(
    start: Start, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    # By a day, a second after the start: as the process sees it, since the machine's own clock is everybody's.
    finish(start, tmp_path / "run", first=CLOCK_SET_BACK)
    assert results(tmp_path / "run") == undisturbed[0]


def test_two_processes_on_one_folder(
    start: Start, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    first = start(tmp_path / "run")
    until(first, checkpoint_of(tmp_path / "run", 0).exists)
    with paused(first):
        second = start(tmp_path / "run")
        _, said = second.communicate()
    assert second.returncode == 2
    assert f"expected to work here alone, found process {first.pid} on " in said
    _, said = first.communicate()
    assert first.returncode == 0, said
    assert results(tmp_path / "run") == undisturbed[0]


def test_sigterm_as_a_scheduler_sends_it(
    start: Start, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    code, said = stopped_in_second_fold(start, tmp_path / "run", signal.SIGTERM)
    assert code == 143
    assert said.endswith("Stopped by SIGTERM. The same command goes on from the last finished epoch.\n")
    assert "Traceback" not in said
    assert "Fold 2 of 3" in finish(start, tmp_path / "run")
    assert len((tmp_path / "run/fold-1/history.csv").read_text().splitlines()) == EPOCHS + 1
    assert results(tmp_path / "run") == undisturbed[0]
