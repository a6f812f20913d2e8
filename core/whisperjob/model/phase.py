"""The states of a job, its steps, and the progress each step stands for."""

from enum import StrEnum


class Phase(StrEnum):
    """Where a job stands. `Completed` and `Error` are terminal: phase, output and error never change after them."""

    QUEUED = "Queued"
    PROCESSING = "Processing"
    COMPLETED = "Completed"
    ERROR = "Error"

    @property
    def terminal(self) -> bool:
        return self in (Phase.COMPLETED, Phase.ERROR)


class Stage(StrEnum):
    """A kind of work that a worker does for a job; also the path segment of its results."""

    OPTIMIZE = "optimize"
    DIARIZE = "diarize"


class Step(StrEnum):
    """What an optimizer is doing, in the order it does it."""

    UPLOADED = "uploaded"
    ANALYZING = "analyzing"
    ANALYZING_LOUDNESS = "analyzing_loudness"
    ENHANCING = "enhancing"
    SPLITTING = "splitting"
    DONE = "done"


STEP_PROGRESS: dict[Step, tuple[int, int]] = {
    Step.UPLOADED: (0, 0),
    Step.ANALYZING: (5, 10),
    Step.ANALYZING_LOUDNESS: (10, 40),
    Step.ENHANCING: (40, 85),
    Step.SPLITTING: (85, 100),
    Step.DONE: (100, 100),
}
"""First and last percent of each step (from the reference API's progress table)."""


class DiarizeStep(StrEnum):
    """What a diarizer is doing, in the order it does it."""

    LOADING = "loading"
    SEGMENTATION = "segmentation"
    EMBEDDINGS = "embeddings"
    CLUSTERING = "clustering"


DIARIZE_PROGRESS: dict[DiarizeStep, tuple[int, int]] = {
    DiarizeStep.LOADING: (0, 5),
    DiarizeStep.SEGMENTATION: (5, 20),
    DiarizeStep.EMBEDDINGS: (20, 95),
    DiarizeStep.CLUSTERING: (95, 99),
}
"""First and last percent of each step, by measured time."""


def clamp_percent(step: Step | DiarizeStep, percent: float) -> int:
    """The whole percent, held inside its step's range; 100 is kept for what is finished."""
    low, high = DIARIZE_PROGRESS[step] if isinstance(step, DiarizeStep) else STEP_PROGRESS[step]
    if step is not Step.DONE:
        high = min(high, 99)
    return int(min(max(percent, low), high))


class Profile(StrEnum):
    """How much is done to the sound."""

    FULL = "full"
    LIGHT = "light"
    NONE = "none"


class RawFormat(StrEnum):
    """Sample layouts of headerless PCM an upload may declare (names of ffmpeg's raw demuxers)."""

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
    SCHEDULED = "Scheduled"
    OPTIMIZED = "Optimized"
    DIARIZED = "Diarized"
    COMPLETE = "Complete"
    FAILED = "Failed"


class Reason(StrEnum):
    """Why a condition holds, or why an event was told; CamelCase as Kubernetes wants it."""

    WAITING = "Waiting"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL = "ImagePull"
    STARTED = "Started"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    RETRYING = "Retrying"
    SUCCEEDED = "Succeeded"
    DIARIZED = "Diarized"
    BAD_INPUT = "BadInput"
    INFRASTRUCTURE = "Infrastructure"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"
