"""A caller's choices about a job. None leaves a choice to the service."""

from dataclasses import asdict, dataclass
from typing import Final, Literal

Profile = Literal["full", "light", "none"]

_KEY_FIELDS: Final = frozenset({"profile", "max_chunk_seconds", "raw_format", "sample_rate", "channels"})
"""The fields that a checkpoint's keys have even without a value, as the first version wrote them."""


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """How a recording is read and made into chunks.

    `raw_format`, `sample_rate` and `channels` describe headerless PCM and nothing else. `track` is `auto` (the
    default), an index (the first is "0"), a language or `mix`; of several tracks, `auto` prefers those in `language`.
    With `multichannel`, each channel is one person's: they are treated apart.

    The names of the fields are part of a checkpoint's keys (see `transcription.checkpoint`).
    """

    profile: Profile | None = None
    max_chunk_seconds: int | None = None
    raw_format: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    track: str | None = None
    language: str | None = None
    multichannel: bool | None = None

    def to_key(self) -> dict[str, str | int | bool | None]:
        """Returns what the checkpoint's objects that depend on these options are found by."""
        return {name: value for name, value in asdict(self).items() if value is not None or name in _KEY_FIELDS}

    def to_form(self) -> dict[str, str]:
        """Returns the fields of the upload's form that have a value."""
        values = {
            "profile": self.profile,
            "maxChunkSeconds": self.max_chunk_seconds,
            "track": self.track,
            "language": self.language,
            "multichannel": None if self.multichannel is None else str(self.multichannel).lower(),
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
