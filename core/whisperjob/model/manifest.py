"""What an optimizer publishes, any worker's verdict, and the trim that the API derives from a manifest.

A stage is finished when its manifest exists, because that is written last. The engine checks that every file it lists
is there with its size; readers check the SHA-256.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import FailFast, Field, StringConstraints, field_validator, model_validator

from whisperjob.model import names
from whisperjob.model.base import Model, Sha256
from whisperjob.model.errors import VERDICT_CODES, JobCode, WarningCode
from whisperjob.model.phase import Profile, Stage

SAMPLE_RATE: Final = 16_000
CHANNELS: Final = 1
BIT_RATE: Final = 64_000
MAX_CHUNK_BYTES = 20_971_520
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_TIMELINE_BYTES = MAX_CHUNK_BYTES
"""The largest object that a worker may write; 24 hours of lively talk are some 5 MB."""


_MOST_ENTRIES: Final = 100_000
_LARGEST: Final = 2**53
"""A worker may be compromised, so what it writes is finite and can be counted with. Its first mistake ends the reading:
millions of them would take gigabytes to be named."""


class CutKind(StrEnum):
    """How a chunk ends."""

    END = "end"
    QUIET = "quiet"
    FORCED = "forced"


class ChunkEntry(Model):
    """One MP3 of the output. Its place in the undivided optimised audio is exact, in samples at 16 kHz."""

    index: int = Field(ge=0, le=_MOST_ENTRIES)
    filename: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}\.mp3$")]
    size_bytes: int = Field(ge=1, le=_LARGEST)
    sha256: Sha256
    start_sample: int = Field(ge=0, le=_LARGEST)
    samples: int = Field(ge=1, le=_LARGEST)
    start_seconds: float = Field(ge=0, le=_LARGEST)
    duration_seconds: float = Field(ge=0, le=_LARGEST)
    cut: CutKind
    silent: bool = False
    """No part of the MP3 is as loud as the absolute gate of EBU R128: there is nothing to recognise."""
    channel: int | None = Field(
        default=None, ge=0, le=999, description="Whose sound it is; null where channels were mixed"
    )


class TrackReason(StrEnum):
    """Why a track was not used."""

    NOT_CHOSEN = "not_chosen"
    SILENT = "silent"
    EMPTY = "empty"
    UNDECODABLE = "undecodable"


class TrackEntry(Model):
    """One audio track of the recording; `reason` says why it was not used. Texts are the container's, shortened."""

    index: int = Field(ge=0, description="Among the audio tracks; the first is 0")
    codec: str
    language: str | None = None
    title: str | None = None
    channels: int = Field(ge=0)
    default: bool = False
    used: bool
    reason: TrackReason | None = None


class ChannelTurn(Model):
    """Sound of one channel from `start` to `end`, in seconds."""

    start: float = Field(ge=0, le=_LARGEST)
    end: float = Field(ge=0, le=_LARGEST)
    channel: int = Field(ge=0, le=999)


class ChannelActivity(Model):
    """When each channel of a multichannel recording has sound, by level alone, each in order of start.

    `segments` overlap where people speak at once; `exclusive` has the louder channel only.
    """

    segments: Annotated[tuple[ChannelTurn, ...], FailFast()] = ()
    exclusive: Annotated[tuple[ChannelTurn, ...], FailFast()] = ()


class Loudness(Model):
    """Loudness by EBU R128. Values are None where the sound never passed the absolute gate (silence)."""

    integrated_lufs: float | None = None
    true_peak_dbtp: float | None = None
    range_lu: float | None = None


class SourceInfo(Model):
    """What the probe found in the recording."""

    size_bytes: int = Field(ge=0)
    sha256: Sha256
    container: str
    codec: str
    sample_rate: int = Field(ge=0)
    channels: int = Field(ge=0)
    declared_seconds: float | None = Field(default=None, ge=0)


class ToolVersions(Model):
    """The versions of the programs that made the output."""

    whisperjob: str
    ffmpeg: str


class Manifest(Model):
    """Everything about an optimised recording; the JSON object `manifest.json`."""

    schema_version: Literal[1] = 1
    stage: Literal[Stage.OPTIMIZE] = Stage.OPTIMIZE
    profile: Profile
    sample_rate: Literal[16_000] = SAMPLE_RATE
    channels: Literal[1] = CHANNELS
    bit_rate: Literal[64_000] = BIT_RATE
    samples: int = Field(ge=1, le=_LARGEST)
    duration_seconds: float = Field(ge=0, le=_LARGEST)
    source: SourceInfo
    tracks: Annotated[tuple[TrackEntry, ...], FailFast()] = Field(default=(), max_length=_MOST_ENTRIES)
    chunks: Annotated[tuple[ChunkEntry, ...], FailFast()] = Field(min_length=1, max_length=_MOST_ENTRIES)
    channel_activity: ChannelActivity | None = Field(default=None, description="Of a multichannel recording")
    loudness_before: Loudness
    loudness_after: Loudness
    gain_db: float
    noise_floor_lufs: float | None = None
    warnings: Annotated[tuple[WarningCode, ...], FailFast()] = ()
    tools: ToolVersions

    @model_validator(mode="after")
    def _contiguous(self) -> Self:
        """Checks that the chunks are the whole audio, or that those of every channel are, one channel after another."""
        ends: dict[int | None, int] = {}
        for index, chunk in enumerate(self.chunks):
            if chunk.index != index or chunk.filename != names.chunk_name(index, len(self.chunks)):
                raise ValueError(f"chunk {index} is out of order or misnamed")
            if chunk.channel not in ends and any(end != self.samples for end in ends.values()):
                raise ValueError(f"chunk {index} belongs to another channel before the one before it is complete")
            if chunk.start_sample != ends.get(chunk.channel, 0):
                raise ValueError(f"chunk {index} does not start where the one before it ended")
            ends[chunk.channel] = chunk.start_sample + chunk.samples
        if any(end != self.samples for end in ends.values()):
            raise ValueError("the chunks do not add up to the whole")
        if (self.channel_activity is None) != (None in ends) or (None in ends and len(ends) > 1):
            raise ValueError("either all chunks belong to a channel, whose activity is known, or none does")
        return self

    @property
    def size_bytes(self) -> int:
        """The size of all chunks together."""
        return sum(chunk.size_bytes for chunk in self.chunks)


class Verdict(Model):
    """A worker's verdict; the JSON object `failure.json`."""

    schema_version: Literal[1] = 1
    code: JobCode
    message: Annotated[str, StringConstraints(min_length=1, max_length=500)]

    @field_validator("code")
    @classmethod
    def _only_verdicts(cls, code: JobCode) -> JobCode:
        if code not in VERDICT_CODES:
            raise ValueError(f"{code} is not a verdict that a worker may give")
        return code


class TrimEntry(Model):
    """One file of a trim. A chunk that stays whole is not copied: `key` is then the chunk's own."""

    index: int = Field(ge=0)
    filename: str
    key: str
    size_bytes: int = Field(ge=1)
    sha256: Sha256
    start_seconds: float = Field(ge=0)
    duration_seconds: float = Field(ge=0)
    channel: int | None = Field(default=None, ge=0)


class Trim(Model):
    """The latest trim of a job; the JSON object `trim.json`, which points to its files."""

    schema_version: Literal[1] = 1
    max_seconds: float = Field(gt=0)
    original_seconds: float = Field(ge=0)
    files: tuple[TrimEntry, ...] = Field(min_length=1)


def seconds(samples: int) -> float:
    """Converts samples at 16 kHz to seconds, rounded to the microsecond."""
    return round(samples / SAMPLE_RATE, 6)
