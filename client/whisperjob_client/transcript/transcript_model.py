"""A transcript on the recording's timeline. Times are seconds in the optimised audio."""

from dataclasses import dataclass, field
from enum import StrEnum


class Doubt(StrEnum):
    """Why a word was probably never said; thresholds are those of the Whisper paper's reference decoder."""

    SILENCE = "silence"
    REPETITION = "repetition"


class NoSpeaker(StrEnum):
    """Why a word has no speaker."""

    NOT_ASKED = "diarization_not_asked"
    UNAVAILABLE = "diarization_unavailable"
    FAILED = "diarization_failed"
    PENDING = "diarization_pending"
    NOBODY_HEARD = "nobody_heard_here"


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word with its punctuation. Exactly one of `speaker` and `no_speaker` is set."""

    start: float
    end: float
    text: str
    speaker: str | None = None
    no_speaker: NoSpeaker | None = NoSpeaker.NOT_ASKED
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """The place of a chunk in the recording: the job's `startSeconds` and `durationSeconds`."""

    start: float
    duration: float

    @property
    def end(self) -> float:
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class SpeakerSegment:
    """A stretch in which one speaker speaks."""

    start: float
    end: float
    speaker: str


@dataclass(frozen=True, slots=True)
class Speakers:
    """Who speaks when, or why that is unknown. Segments may overlap; those that do not are the better input."""

    segments: tuple[SpeakerSegment, ...] = ()
    missing: NoSpeaker | None = None

    @classmethod
    def unknown(cls, reason: NoSpeaker) -> "Speakers":
        return cls((), reason)


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words in order: starts and ends never go back, and no word ends after the next one starts."""

    words: tuple[Word, ...]
    duration: float
    language: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    """Maps speakers to what they are called, where that is known: `SPEAKER_00` → `Anna`."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """They are in order of their first word."""
        return tuple(dict.fromkeys(word.speaker for word in self.words if word.speaker is not None))

    def label(self, speaker: str | None) -> str | None:
        """Returns the speaker's name for people. None if no word has a speaker, because then labels say nothing."""
        if speaker is not None:
            return self.names.get(speaker) or _readable_name(speaker)
        return "Unknown" if self.speakers else None

    def without_doubtful_words(self) -> "Transcript":
        return Transcript(tuple(w for w in self.words if w.doubt is None), self.duration, self.language, self.names)


def _readable_name(speaker: str) -> str:
    head, _, number = speaker.rpartition("_")
    return f"Speaker {int(number) + 1}" if head == "SPEAKER" and number.isdecimal() else speaker
