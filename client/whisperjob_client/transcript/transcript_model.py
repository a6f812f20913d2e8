"""A transcript on the recording's timeline. Times are seconds in the optimised audio."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum

from whisperjob_client.plain_text import one_line

_MOST_DIGITS = 10


class Doubt(StrEnum):
    """Why a word was probably never said.

    SILENCE: the recogniser itself takes its part of the chunk for silence. REPETITION: it repeats the words before it,
    again and again. NOBODY_HEARD: the diarizer heard nobody there, and the recogniser was not sure.
    """

    SILENCE = "silence"
    REPETITION = "repetition"
    NOBODY_HEARD = "nobody_heard"


class NoSpeaker(StrEnum):
    """Why a word has no speaker."""

    NOT_ASKED = "diarization_not_asked"
    UNAVAILABLE = "diarization_unavailable"
    FAILED = "diarization_failed"
    PENDING = "diarization_pending"
    NOBODY_HEARD = "nobody_heard_here"


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word with its punctuation. Exactly one of `speaker` and `no_speaker` is set.

    `gap` is what is between it and the word before: a space, or nothing in a script that has none there.
    """

    start: float
    end: float
    text: str
    speaker: str | None = None
    no_speaker: NoSpeaker | None = NoSpeaker.NOT_ASKED
    doubt: Doubt | None = None
    gap: str = " "
    confidence: float | None = None
    """The recogniser's probability of the word, or of its segment where it gives none for words; from 0 to 1."""


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


class TimesOf(StrEnum):
    """What the recogniser gave times of. Those of words are then exact, spread over a segment, or mere estimates."""

    WORDS = "words"
    SEGMENTS = "segments"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a transcript was made of: the recording's SHA-256, the recogniser's model, and what that gave times of."""

    sha256: str
    model: str
    times: TimesOf | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words in order: starts and ends never go back, and no word ends after the next one starts."""

    words: tuple[Word, ...]
    duration: float
    language: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    """Maps speakers to what they are called, where that is known: `SPEAKER_00` → `Anna`."""

    origin: Origin | None = None
    """None if the transcript was not made by `transcription`."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """They are in order of their first word."""
        return tuple(dict.fromkeys(word.speaker for word in self.words if word.speaker is not None))

    def label(self, speaker: str | None) -> str | None:
        """Returns the speaker's name for people. None if no word has a speaker, because then labels say nothing."""
        if speaker is not None:
            return one_line(self.names.get(speaker, "")).strip() or _readable_name(speaker)
        return "Unknown" if self.speakers else None

    def without(self, doubts: Collection[Doubt]) -> "Transcript":
        """Returns it without the words that have one of these doubts."""
        return replace(self, words=tuple(word for word in self.words if word.doubt not in doubts))


def _readable_name(speaker: str) -> str:
    head, _, number = speaker.rpartition("_")
    numbered = head in ("SPEAKER", "CHANNEL") and number.isdecimal() and len(number) < _MOST_DIGITS
    return f"{head.title()} {int(number) + 1}" if numbered else one_line(speaker)
