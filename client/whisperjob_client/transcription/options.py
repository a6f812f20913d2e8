"""The options of a transcription, and who watches it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from whisperjob_client.models import Diarization, Job
from whisperjob_client.options import SpeakerCount, UploadOptions
from whisperjob_client.speech.paced_recogniser import SpeechWatcher
from whisperjob_client.speech.rate_limits import Limits
from whisperjob_client.speech.recogniser import SpeechOptions
from whisperjob_client.transcript.transcript_model import Doubt


class DoubtfulWords(StrEnum):
    """What happens to words that were probably never said. KEEP also sends silent chunks to the recogniser."""

    KEEP = "keep"
    DROP_UNHEARD = "drop_unheard"
    DROP = "drop"


DROPPED: Final = {
    DoubtfulWords.KEEP: frozenset[Doubt](),
    DoubtfulWords.DROP_UNHEARD: frozenset({Doubt.NOBODY_HEARD}),
    DoubtfulWords.DROP: frozenset(Doubt),
}


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """How a recording is transcribed. `parallel` is the number of chunks that are recognised at once."""

    speech: SpeechOptions
    parallel: int
    upload: UploadOptions = field(default_factory=UploadOptions)
    limits: Limits = field(default_factory=Limits)
    diarize: bool = False
    speakers: SpeakerCount = field(default_factory=SpeakerCount)
    names: tuple[str, ...] = ()
    """The speakers' names, in the order in which they first speak."""
    doubtful: DoubtfulWords = DoubtfulWords.DROP_UNHEARD
    speakers_patience_seconds: float | None = None
    """How long the words wait for the speakers; None: until these are known, or the diarization has failed."""


class Watcher(SpeechWatcher, Protocol):
    """Is notified of a transcription's progress. Bytes and seconds are totals, but for `recognised`, which adds."""

    def hashed(self, done_bytes: int, total_bytes: int, /) -> None: ...

    def uploaded(self, sent_bytes: int, total_bytes: int, /) -> None: ...

    def working(self, job: Job, /) -> None: ...

    def recognising(self, total_seconds: float, done_seconds: float, /) -> None: ...

    def recognised(self, seconds: float, /) -> None:
        """`seconds` more of audio are done."""

    def diarizing(self, diarization: Diarization, /) -> None: ...

    def note(self, sentence: str, /) -> None: ...
