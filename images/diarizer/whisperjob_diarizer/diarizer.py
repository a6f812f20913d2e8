"""What the rest of the diarizer knows of the models: a port, so that it is tested without them and without torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from whisperjob.model.phase import DiarizeStep
from whisperjob.model.protocol import DiarizeOptions

Report = Callable[[DiarizeStep, float, str], None]
"""(step, percent of the whole diarization, note). The note is empty, or a sentence for the job's owner."""


@dataclass(frozen=True, slots=True)
class Span:
    """One voice, under a label that means nothing elsewhere, from `start` to `end` (seconds)."""

    start: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class Found:
    """`spans` may overlap where people do, `exclusive` may not. In no particular order."""

    spans: tuple[Span, ...]
    exclusive: tuple[Span, ...]


class Diarizer(Protocol):
    """A model that is loaded and ready."""

    @property
    def model(self) -> str:
        """Model and version, for people."""
        ...

    @property
    def device(self) -> str:
        """What it runs on now; may change during `diarize`."""
        ...

    def diarize(self, samples: bytearray, options: DiarizeOptions, report: Report) -> Found:
        """`samples` are 16-bit, native byte order, 16 kHz, mono; they are read and not copied.

        Raises MemoryError where neither smaller batches nor another device helps.
        """
        ...


class Loading(Protocol):
    """Brings a model up: the slow imports, the weights, the device."""

    def __call__(self, options: DiarizeOptions) -> Diarizer:
        """Raises ModelUnavailableError with a sentence that says what to do."""
        ...
