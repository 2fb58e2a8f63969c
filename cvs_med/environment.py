"""What a result depends on beside its protocol: versions, commit, machine."""

import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch

_PACKAGES = ("cvs-med", "torch", "monai", "scikit-learn", "numpy", "pillow", "lightning-fabric")


def describe(device: torch.device, precision: str) -> dict[str, str | float]:
    """List versions, commit, processor, cores, device and precision."""
    facts: dict[str, str | float] = {"command": " ".join(["cvs-med", *sys.argv[1:]]), "commit": _commit()}
    facts |= {name: version(name) for name in _PACKAGES}
    facts |= {"python": platform.python_version(), "system": platform.platform()}
    facts |= {"processor": _processor(), "cores": os.cpu_count() or 1, "threads": torch.get_num_threads()}
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return facts | {"device": name, "precision": precision}


def peak_memory_gigabytes() -> float:
    """Give the largest resident size that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def _commit() -> str:
    """Name the commit of a checkout, marked if files were changed since; "none" outside one."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return "none"
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
