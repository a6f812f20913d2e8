"""What the rest of the diarizer knows of the models: a port, so that it is tested without them and without torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from whisperjob.model.phase import DiarizeStep
from whisperjob.model.protocol import DiarizeOptions

OnProgress = Callable[[DiarizeStep, float, str], None]
"""Called with a step, the percent of the whole diarization and a note: empty, or a sentence for the job's owner."""


@dataclass(frozen=True, slots=True)
class SpeakerSpan:
    """One speaker from `start` to `end` (seconds), under a label that has no meaning outside this diarization."""

    start: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class Diarization:
    """A model's answer: `spans` may overlap where people do, `exclusive` may not. Both are in no particular order."""

    spans: tuple[SpeakerSpan, ...]
    exclusive: tuple[SpeakerSpan, ...]


class Diarizer(Protocol):
    """A model that is loaded and ready."""

    @property
    def model(self) -> str:
        """The model and its version, for people."""
        ...

    @property
    def device(self) -> str:
        """The device it runs on now; it may change during `diarize`."""
        ...

    def diarize(self, samples: bytearray, options: DiarizeOptions, on_progress: OnProgress) -> Diarization:
        """Finds out who speaks when. `samples` are 16-bit, native byte order, 16 kHz, mono; they are not copied.

        Raises MemoryError where neither smaller batches nor another device helps.
        """
        ...


class DiarizerLoader(Protocol):
    """Loads a model: the slow imports, the weights, the device."""

    def __call__(self, options: DiarizeOptions) -> Diarizer:
        """Raises ModelUnavailableError with a sentence that says what to do."""
        ...
