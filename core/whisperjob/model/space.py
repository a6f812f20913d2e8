"""How much of a disk a job is expected to need, from what is known of it before it is decoded. Pure.

The estimate is what is promised to a job before it begins. It may be too low for a recording of very few bits a second;
such a worker ends when it has used what it was given, and the next attempt is given more.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from whisperjob.model import defaults
from whisperjob.model.options import AudioOptions
from whisperjob.model.phase import Profile

PCM_BYTES_PER_SECOND: Final = 16_000 * 4
"""Of one copy of the decoded sound: 16 kHz, mono, float."""

MP3_BYTES_PER_SECOND: Final = 8000
"""Of the optimised audio."""

SPARE_BYTES: Final = 64 * 2**20
"""For small files beside the sound; also for the eight minutes of a small file of very few bits a second."""

_SOURCE_BYTES_PER_SECOND: Final = 8000
"""64 kbit/s: what memos and calls are mostly recorded with at least."""

_USUAL_CHANNELS: Final = 2
"""Of a recording whose channels are treated apart; more are known only after it was opened."""


@dataclass(frozen=True, slots=True)
class SpaceNeed:
    """What a job is expected to need: scratch space while its worker runs, and room for its results."""

    scratch_bytes: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class ScratchShare:
    """What one attempt was given of the scratch space, and the most that any attempt can be given."""

    bytes: int
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class WorkerUse:
    """What running workers have of a disk: what they may still write, and what they wrote and will give back."""

    pending_bytes: int = 0
    held_bytes: int = 0


def estimate_need(
    source_bytes: int,
    audio: AudioOptions | None = None,
    *,
    max_scratch_bytes: int = defaults.MAX_SCRATCH_BYTES,
    max_duration: timedelta = defaults.MAX_DURATION,
) -> SpaceNeed:
    """Estimates what the optimizer needs for a source of this size. A copy of the source counts as scratch space."""
    seconds = min(source_bytes // _SOURCE_BYTES_PER_SECOND, int(max_duration.total_seconds())) + 1
    scratch = source_bytes + seconds * (_copies(audio) * PCM_BYTES_PER_SECOND + MP3_BYTES_PER_SECOND) + SPARE_BYTES
    return SpaceNeed(min(scratch, max_scratch_bytes), seconds * MP3_BYTES_PER_SECOND)


def _copies(audio: AudioOptions | None) -> int:
    """Returns how many copies of the decoded sound exist at a time: enhancing makes a second one."""
    if audio is None:
        return 2
    if audio.multichannel:
        return 2 + _USUAL_CHANNELS
    return 1 if audio.profile is Profile.NONE else 2
