"""Two processes at one piece of work: one does it, the other waits and reads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvs_med.waiting import turn

LOADING = """
import sys, time
from pathlib import Path
from cvs_med import cache
from cvs_med.datasets import get

decode, count = cache.prepare, 0

def slow(*arguments, **options):
    global count
    count += 1
    time.sleep(0.2)
    return decode(*arguments, **options)

cache.prepare = slow
cases = get("hrf").cases(Path(sys.argv[1]))
photographs = cache.load(cases, size=16, crop="field_of_view", folder=Path(sys.argv[2]), workers=1)
print(count, photographs.images.sum().item())
"""


def test_two_processes_decode_photographs_once(fundus: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADING, str(fundus), str(tmp_path / "cache")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [process.communicate()[0].split() for process in both]
    assert sorted(int(count) for count, _ in found) == [0, 6]
    assert found[0][1] == found[1][1]


def test_a_lock_says_who_holds_it_and_a_killed_holder_frees_it(tmp_path: Path) -> None:
    lock = tmp_path / "new" / ".lock"
    holding = (
        "import sys, time; from pathlib import Path; from cvs_med.waiting import turn\n"
        "with turn(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", holding, str(lock)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert lock.read_text().split()[1] == str(process.pid)
        process.kill()
        with turn(lock):
            assert lock.read_text().split()[1] == str(os.getpid())


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with turn(tmp_path / "new" / ".lock"):
        assert not (tmp_path / "new").exists()


def test_a_folder_that_is_a_file_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with turn(tmp_path / "file" / ".lock"):
        assert (tmp_path / "file").read_text() == "in the way"
