"""What to do when memory does not suffice: smaller batches, then the CPU. Pure."""

from dataclasses import dataclass, replace
from typing import Final

CPU: Final = "cpu"
CUDA: Final = "cuda"

NO_CPU_ALLOWED: Final = (
    "The GPU's memory does not suffice even for single windows, and continuing on the CPU is disabled "
    "(WHISPERJOB_DIARIZATION_ALLOW_CPU)."
)

_BYTES_PER_ITEM: Final = 200 * 1024**2
"""What a ten-second window and its voice prints take up on a GPU while they are computed; on the safe side."""

_RESERVED_BYTES: Final = 1024**3
_LARGEST_BATCH: Final = 256
_CPU_BATCH: Final = 8
_SMALLEST_STEP_DOWN: Final = 4


@dataclass(frozen=True, slots=True)
class ComputePlan:
    """The device, and the number of windows in a batch; on a CPU a batch is what one core works on at a time."""

    device: str
    batch: int


def first_plan(device: str, free_bytes: int | None) -> ComputePlan:
    """Returns the plan to begin with. `free_bytes` is the GPU's free memory; None on a CPU."""
    if device == CPU or free_bytes is None:
        return ComputePlan(CPU, _CPU_BATCH)
    fitting = (free_bytes - _RESERVED_BYTES) // _BYTES_PER_ITEM
    return ComputePlan(device, max(1, min(_LARGEST_BATCH, fitting)))


def next_plan(failed: ComputePlan, *, allow_cpu: bool) -> tuple[ComputePlan, str] | None:
    """Returns the plan after `failed` ran out of memory, and a sentence for the job's owner; None if there is none."""
    if failed.device == CPU:
        return None
    if failed.batch > 1:
        smaller = replace(failed, batch=max(1, failed.batch // _SMALLEST_STEP_DOWN))
        return smaller, f"The GPU's memory did not suffice; continuing with batches of {smaller.batch}."
    if not allow_cpu:
        return None
    sentence = "The GPU's memory did not suffice even for single windows; continuing on the CPU."
    return ComputePlan(CPU, _CPU_BATCH), sentence
