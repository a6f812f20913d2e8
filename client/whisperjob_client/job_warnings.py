"""The warnings of a job as sentences."""

from collections.abc import Iterable
from typing import Final, Protocol

from whisperjob_client.plain_text import plain

SILENT_WARNING: Final = "silent"

WARNING_SENTENCES: Final = {
    "input_truncated": "The file is shorter than its header says; the existing part was used.",
    SILENT_WARNING: "The recording is silent.",
    "opposite_phase": "Its channels cancelled each other out; they were mixed in another way.",
    "invalid_samples": "Some of its samples were no valid numbers; they were replaced by silence.",
    "timestamp_discontinuity": "The file's clock jumps; what comes after a jump follows directly what was before it.",
    "second_recording": "The file has a second recording behind the first; only the first was used.",
    "separate_channels": "Its channels have little in common, as in a call with one person on each; "
    "`multichannel` transcribes them apart.",
    "tracks_left_out": "Some audio tracks were not used; `track` chooses another, or `mix`, which is all of them.",
}

_LISTED: Final = 8
_REASONS: Final = {"undecodable": "cannot be decoded", "silent": "is silent", "empty": "is empty"}


class AudioTrack(Protocol):
    """What a sentence says about an audio track."""

    @property
    def index(self) -> int: ...
    @property
    def codec(self) -> str: ...
    @property
    def language(self) -> str | None: ...
    @property
    def title(self) -> str | None: ...
    @property
    def used(self) -> bool: ...
    @property
    def reason(self) -> str | None: ...


def describe_warning(code: str, tracks: Iterable[AudioTrack] = ()) -> str:
    """Returns the sentence with its code. A newer service may warn of something that is unknown here.

    `tracks` are those of the recording; a warning about them names them.
    """
    sentence = WARNING_SENTENCES.get(code, "The service warns of something that this version does not know.")
    if code == "tracks_left_out" and (listed := tuple(tracks)):
        sentence = _describe_left_out(listed)
    return plain(f"{sentence} ({code})")


def _describe_left_out(tracks: tuple[AudioTrack, ...]) -> str:
    used = [track for track in tracks if track.used]
    left_out = [track for track in tracks if not track.used]
    if all(track.reason == "undecodable" for track in left_out):
        return f"Left out of its {len(tracks)} audio tracks: {_list(left_out)}."
    return (
        f"Of its {len(tracks)} audio tracks only {_list(used)} was used, not {_list(left_out)}; "
        "`track` chooses another, or `mix`, which is all of them."
    )


def _list(tracks: list[AudioTrack]) -> str:
    listed = ", ".join(describe_track(track) for track in tracks[:_LISTED])
    return f"{listed} and {len(tracks) - _LISTED} more" if len(tracks) > _LISTED else listed


def describe_track(track: AudioTrack) -> str:
    """Returns the track's index, and in brackets by what else its owner may know it."""
    title = f"“{track.title}”" if track.title else None
    known = (track.language, title, track.codec, _REASONS.get(track.reason or ""))
    return plain(f"{track.index} ({', '.join(filter(None, known))})")
