"""The number of cores that a worker may use."""

import os
from pathlib import Path


def available_cores() -> int:
    """Returns the number of cores in this process's affinity mask, limited by its cgroup's (container's) CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, round(int(quota) / int(period))))
