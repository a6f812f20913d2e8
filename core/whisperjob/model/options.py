"""What a job's owner may choose: how the sound is treated, and how many people speak. One definition for every place
that takes, stores or passes on these choices."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from whisperjob.model.base import Model
from whisperjob.model.phase import Profile, RawFormat

MIN_CHUNK_SECONDS = 60
MAX_CHUNK_SECONDS = 86_400
MIN_SAMPLE_RATE = 1000
MAX_SAMPLE_RATE = 384_000
MAX_CHANNELS = 32
MAX_SPEAKERS = 64
MAX_CHOICE_LENGTH = 64
"""The longest choice of a track or a language, in characters; names of languages are shorter."""

_Choice = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CHOICE_LENGTH)]

# The choices of an upload that its record keeps under the same names.
ProfileChoice = Annotated[Profile, Field(description="full, light (band-pass and loudness) or none")]
ChunkSeconds = Annotated[
    int | None, Field(ge=MIN_CHUNK_SECONDS, le=MAX_CHUNK_SECONDS, description="Longest chunk, seconds")
]
TrackChoice = Annotated[
    _Choice | None,
    Field(
        description="Which of several audio tracks: auto, an index (the first is 0), a language (de, deu, German) "
        "or mix, which is all together"
    ),
]
LanguageChoice = Annotated[
    _Choice | None,
    Field(description="Language of the speech (de, deu, German); of several tracks, those in it come first"),
]
Multichannel = Annotated[
    bool, Field(description="One person speaks on each channel: they are treated and transcribed apart")
]


class AudioOptions(Model):
    """How a recording is read and made into chunks. `raw_format`, `sample_rate` and `channels` describe headerless PCM
    and nothing else."""

    profile: ProfileChoice = Profile.FULL
    max_chunk_seconds: ChunkSeconds = None
    raw_format: RawFormat | None = Field(default=None, description="Sample layout of headerless PCM")
    sample_rate: int | None = Field(
        default=None, ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE, description="Sample rate of headerless PCM, Hz"
    )
    channels: int | None = Field(
        default=None, ge=1, le=MAX_CHANNELS, description="Channels of headerless PCM, interleaved"
    )
    track: TrackChoice = None
    language: LanguageChoice = None
    multichannel: Multichannel = False


class SpeakerCount(Model):
    """How many people speak, as far as the owner knows: exactly so many, or at least and at most so many."""

    num_speakers: int | None = Field(default=None, ge=1, le=MAX_SPEAKERS, description="Exactly this many speakers")
    min_speakers: int | None = Field(default=None, ge=1, le=MAX_SPEAKERS, description="At least this many")
    max_speakers: int | None = Field(default=None, ge=1, le=MAX_SPEAKERS, description="At most this many")

    @model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        require_ordered_bounds(self.min_speakers, self.max_speakers)
        return self

    @property
    def counts(self) -> tuple[int | None, int | None, int | None]:
        """(exactly, at least, at most); two requests with equal counts ask for the same."""
        return self.num_speakers, self.min_speakers, self.max_speakers


def require_ordered_bounds(min_speakers: int | None, max_speakers: int | None) -> None:
    """Raises ValueError if the lower bound is above the upper one; a bound of 0 or None is none."""
    if min_speakers and max_speakers and min_speakers > max_speakers:
        raise ValueError("minSpeakers must not be above maxSpeakers")
