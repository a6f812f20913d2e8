"""What a diarizer publishes: who speaks when, on the timeline of the whole recording."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import FailFast, Field, StringConstraints, model_validator

from whisperjob.model.base import Model
from whisperjob.model.manifest import ChannelActivity
from whisperjob.model.phase import Stage
from whisperjob.model.resource import MAX_NOTE_LENGTH

SpeakerId = Annotated[str, StringConstraints(pattern=r"^(SPEAKER|CHANNEL)_[0-9]{2,3}$")]

_CHANNEL = "CHANNEL_"
_ROUNDING_SECONDS = 0.05
_LATEST_SECONDS = 1e9

MAX_TURNS = 200_000
"""24 hours of lively talk have half as many. The first one that is none ends the reading: a compromised worker could
send millions of them, which would take gigabytes to be named."""


class Turn(Model):
    """One speaker speaks from `start` to `end`, seconds of the optimised audio."""

    start: float = Field(ge=0, le=_LATEST_SECONDS)
    end: float = Field(ge=0, le=_LATEST_SECONDS)
    speaker: SpeakerId


Turns = Annotated[tuple[Turn, ...], FailFast(), Field(max_length=MAX_TURNS)]


class Timeline(Model):
    """The result of a diarization; the JSON object `manifest.json` of its attempt.

    `segments` may overlap where people speak at once; `exclusive` segments never overlap: they give words their
    speakers. Both are ordered by their start. Speakers are numbered by their first appearance in `segments`; those that
    are channels, as in the recording.
    """

    schema_version: Literal[1] = 1
    stage: Literal[Stage.DIARIZE] = Stage.DIARIZE
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(description="Model and version")
    device: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(description="What it ran on")
    duration_seconds: float = Field(gt=0, le=_LATEST_SECONDS)
    segments: Turns
    exclusive: Turns
    notes: Annotated[tuple[Annotated[str, StringConstraints(max_length=MAX_NOTE_LENGTH)], ...], FailFast()] = Field(
        default=(), max_length=100, description="Sentences for the owner about the work, such as a fallback"
    )

    @model_validator(mode="after")
    def _holds(self) -> Self:
        last = self.duration_seconds + _ROUNDING_SECONDS
        for turns in (self.segments, self.exclusive):
            if any(turn.end <= turn.start or turn.end > last for turn in turns):
                raise ValueError("a segment ends before it starts or after the recording")
            if any(after.start < before.start for before, after in pairwise(turns)):
                raise ValueError("the segments are out of order")
        if any(after.start < before.end for before, after in pairwise(self.exclusive)):
            raise ValueError("exclusive segments overlap")
        found = [speaker for speaker in self.speakers if not speaker.startswith(_CHANNEL)]
        if found != [f"SPEAKER_{n:02d}" for n in range(len(found))]:
            raise ValueError("the speakers are not numbered by their first appearance")
        if not {turn.speaker for turn in self.exclusive} <= set(self.speakers):
            raise ValueError("an exclusive segment has a speaker of its own")
        return self

    @property
    def speakers(self) -> tuple[str, ...]:
        """All speakers, in order of their first appearance."""
        return tuple(dict.fromkeys(turn.speaker for turn in self.segments))


def to_channel_speaker(channel: int) -> str:
    """Returns the speaker of a channel of a multichannel recording; the client makes the same name."""
    return f"{_CHANNEL}{channel:02d}"


def from_channels(activity: ChannelActivity, duration_seconds: float) -> Timeline:
    """Returns the timeline of a multichannel recording, whose channels are its speakers."""
    segments, exclusive = (
        tuple(Turn(start=turn.start, end=turn.end, speaker=to_channel_speaker(turn.channel)) for turn in turns)
        for turns in (activity.segments, activity.exclusive)
    )
    return Timeline(
        model="channels", device="none", duration_seconds=duration_seconds, segments=segments, exclusive=exclusive
    )


def to_rttm(name: str, timeline: Timeline) -> str:
    """Writes NIST's Rich Transcription Time Marked: one line for each segment. `name` must hold no white space."""
    return "".join(
        f"SPEAKER {name} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA> {turn.speaker} <NA> <NA>\n"
        for turn in timeline.segments
    )
