"""What a process does with the memory that it frees."""

import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from cvs_med.memory import keep_memory
if {keep}:
    assert keep_memory()
torch.zeros(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(60):
    torch.zeros(16_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: bool) -> int:
    run = subprocess.run(
        [sys.executable, "-c", FAULTS.format(keep=keep)], capture_output=True, text=True, check=True, timeout=120
    )
    return int(run.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the GNU C library")
def test_memory_of_one_tensor_serves_the_next() -> None:
    assert faults(keep=True) * 5 < faults(keep=False)
