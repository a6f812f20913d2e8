"""When each subtitle is shown: as long as it takes to read, apart from the next one, near its words. Pure.

Reading speed, shortest and longest time and the gap are those of streaming services' subtitle guides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

READING_COLUMNS_PER_SECOND: Final = 17
MAX_MS: Final = 7000
MIN_MS: Final = 834
"""20 frames at 24 frames a second; shorter subtitles are not seen."""
READABLE_MS: Final = 1000
"""What a short subtitle gets if there is time."""
GAP_MS: Final = 84
"""Two frames at 24 frames a second: with less, a change of subtitles is not noticed."""
_EARLY_MS: Final = 500
"""How long before its words a subtitle may begin, if it would be too short otherwise."""


@dataclass(frozen=True, slots=True)
class Sounding:
    """When a cue's words sound, in milliseconds, and how many columns they have."""

    start_ms: int
    end_ms: int
    columns: int


def show(cues: Sequence[Sounding], duration_ms: int) -> list[tuple[int, int]]:
    """Returns when each cue begins and ends, in milliseconds.

    No cue is shorter than MIN_MS or longer than MAX_MS, and GAP_MS lie between any two. Where too many words are at one
    place for that, the later ones are shown later, and those at the recording's end earlier.
    """
    shown: list[tuple[int, int]] = []
    earliest = 0
    for index, cue in enumerate(cues):
        following = cues[index + 1].start_ms if index + 1 < len(cues) else max(duration_ms, cue.end_ms) + GAP_MS
        latest = max(following - GAP_MS, 0)
        start = max(earliest, min(cue.start_ms, max(latest - MIN_MS, cue.start_ms - _EARLY_MS)))
        reading = max(READABLE_MS, 1000 * cue.columns // READING_COLUMNS_PER_SECOND + 1)
        end = min(max(cue.end_ms, start + reading), latest, start + MAX_MS)
        end = max(end, start + MIN_MS)
        shown.append((start, end))
        earliest = end + GAP_MS
    return _inside(shown, duration_ms)


def _inside(shown: list[tuple[int, int]], duration_ms: int) -> list[tuple[int, int]]:
    """Moves the last cues to before the recording's end, if there is room for all."""
    moved: list[tuple[int, int]] = []
    limit = duration_ms
    for start, end in reversed(shown):
        if end > limit:
            start, end = min(start, limit - MIN_MS), limit
            if start < 0:
                return shown
        moved.append((start, end))
        limit = start - GAP_MS
    return moved[::-1]
