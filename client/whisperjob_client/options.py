"""A caller's choices about a job. None leaves a choice to the service."""

from dataclasses import dataclass
from typing import Literal

Profile = Literal["full", "light", "none"]


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """How a recording is read and made into chunks. The last three describe headerless PCM and nothing else.

    The names of the fields are part of a checkpoint's keys (see `transcription.checkpoint`).
    """

    profile: Profile | None = None
    max_chunk_seconds: int | None = None
    raw_format: str | None = None
    sample_rate: int | None = None
    channels: int | None = None

    def to_form(self) -> dict[str, str]:
        """Returns the fields of the upload's form that have a value."""
        values = {
            "profile": self.profile,
            "maxChunkSeconds": self.max_chunk_seconds,
            "rawFormat": self.raw_format,
            "sampleRate": self.sample_rate,
            "channels": self.channels,
        }
        return {name: str(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SpeakerCount:
    """How many people speak, as far as it is known: the exact number, or the lowest and the highest."""

    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None

    def to_json(self) -> dict[str, int]:
        """Returns the fields of a request's body that have a value."""
        values = {
            "numSpeakers": self.num_speakers,
            "minSpeakers": self.min_speakers,
            "maxSpeakers": self.max_speakers,
        }
        return {name: value for name, value in values.items() if value is not None}
