"""The states of a job, the stages and steps of its work, and the words that say why something is as it is."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where a job, or one of its stages, stands.

    `Completed` and `Error` are terminal: the phase, the output and the error never change after them.
    """

    QUEUED = "Queued"
    PROCESSING = "Processing"
    COMPLETED = "Completed"
    ERROR = "Error"

    @property
    def terminal(self) -> bool:
        """Whether no work can change this phase any more."""
        return self in (Phase.COMPLETED, Phase.ERROR)


class Stage(StrEnum):
    """A kind of work that a worker does for a job; also the path segment of its results.

    What is particular to each stage is in the table `whisperjob.model.stages.STAGES`.
    """

    OPTIMIZE = "optimize"
    DIARIZE = "diarize"


class Step(StrEnum):
    """What an optimizer is doing, in the order in which it does it."""

    UPLOADED = "uploaded"
    ANALYZING = "analyzing"
    ANALYZING_LOUDNESS = "analyzing_loudness"
    ENHANCING = "enhancing"
    SPLITTING = "splitting"
    DONE = "done"


class DiarizeStep(StrEnum):
    """What a diarizer is doing, in the order in which it does it."""

    LOADING = "loading"
    SEGMENTATION = "segmentation"
    EMBEDDINGS = "embeddings"
    CLUSTERING = "clustering"


AnyStep = Step | DiarizeStep
"""A step of any stage. Values must differ between stages: a progress post carries nothing but the value."""

STEP_PROGRESS: dict[Step, tuple[int, int]] = {
    Step.UPLOADED: (0, 0),
    Step.ANALYZING: (5, 10),
    Step.ANALYZING_LOUDNESS: (10, 40),
    Step.ENHANCING: (40, 85),
    Step.SPLITTING: (85, 100),
    Step.DONE: (100, 100),
}
"""First and last percent of each step. These numbers are part of the public interface."""

DIARIZE_PROGRESS: dict[DiarizeStep, tuple[int, int]] = {
    DiarizeStep.LOADING: (0, 5),
    DiarizeStep.SEGMENTATION: (5, 20),
    DiarizeStep.EMBEDDINGS: (20, 95),
    DiarizeStep.CLUSTERING: (95, 99),
}
"""First and last percent of each step, from measured times."""

PROGRESS_RANGES: Final[Mapping[AnyStep, tuple[int, int]]] = {
    **dict(STEP_PROGRESS.items()),
    **dict(DIARIZE_PROGRESS.items()),
}

STAGE_OF_STEP: Final[Mapping[AnyStep, Stage]] = {
    **dict.fromkeys(STEP_PROGRESS, Stage.OPTIMIZE),
    **dict.fromkeys(DIARIZE_PROGRESS, Stage.DIARIZE),
}


def clamp_percent(step: AnyStep, percent: float) -> int:
    """Returns the whole percent, held inside the range of its step. 100 is reserved for work that is done."""
    low, high = PROGRESS_RANGES[step]
    if step is not Step.DONE:
        high = min(high, 99)
    return int(min(max(percent, low), high))


class Profile(StrEnum):
    """How much is done to the sound."""

    FULL = "full"
    LIGHT = "light"
    NONE = "none"


class RawFormat(StrEnum):
    """Sample layouts of headerless PCM that an upload may declare: the names of ffmpeg's raw demuxers."""

    S16LE = "s16le"
    S16BE = "s16be"
    S24LE = "s24le"
    S24BE = "s24be"
    S32LE = "s32le"
    S32BE = "s32be"
    F32LE = "f32le"
    F32BE = "f32be"
    F64LE = "f64le"
    F64BE = "f64be"
    U8 = "u8"
    S8 = "s8"
    MULAW = "mulaw"
    ALAW = "alaw"


class ConditionType(StrEnum):
    """The statements that a job's status makes as Kubernetes conditions."""

    SCHEDULED = "Scheduled"
    OPTIMIZED = "Optimized"
    DIARIZED = "Diarized"
    COMPLETE = "Complete"
    FAILED = "Failed"


class Reason(StrEnum):
    """Why a condition holds, or why an event was recorded; CamelCase, as Kubernetes wants it."""

    WAITING = "Waiting"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL = "ImagePull"
    STARTED = "Started"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    RETRYING = "Retrying"
    MACHINE_FAULT = "MachineFault"
    SUCCEEDED = "Succeeded"
    DIARIZED = "Diarized"
    BAD_INPUT = "BadInput"
    INFRASTRUCTURE = "Infrastructure"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"
