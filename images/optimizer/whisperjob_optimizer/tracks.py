"""Decides which of a recording's audio tracks are used. Pure.

`auto` ranks the tracks that can be decoded: commentary and tracks for the visually or hearing impaired last; then by
the container's default flag, the language of the request, loudness and order. The caller decodes them in this order
until one has sound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from whisperjob.model.errors import InputError, JobCode
from whisperjob.model.manifest import TrackEntry, TrackReason
from whisperjob.model.options import MAX_CHOICE_LENGTH
from whisperjob_optimizer import languages

AUTO: Final = "auto"
MIX: Final = "mix"

MAX_TRACKS: Final = 128
"""More are not looked at: Matroska's highest number that takes one byte; the manifest stays small."""

EQUAL_LOUDNESS_LU: Final = 3.0
"""Tracks that are closer to the loudest one are as loud: recordings of one event are mixed no more exactly."""

_MAX_TITLE: Final = 80
_MAX_LANGUAGE: Final = 35
_LISTED_CHARACTERS: Final = 300
"""A verdict has at most 500."""

_LISTED_TITLE: Final = 24

_NAMELESS: Final = ("handler", "core media", "mainconcept")
"""Parts of what programs write into MP4's handler name, which is no title."""

_SECONDARY: Final = (
    "comment",
    "descriptions",
    "visual_impaired",
    "hearing_impaired",
    "clean_effects",
    "karaoke",
    "dependent",
)
"""ffmpeg's dispositions of tracks that are no replacement for the main one."""


@dataclass(frozen=True, slots=True)
class Track:
    """An audio stream as ffprobe describes it. `index` is its place among the audio streams, as in ffmpeg's `0:a:0`."""

    index: int
    codec: str
    channels: int
    decodable: bool
    language: str | None = None
    title: str | None = None
    default: bool = False
    secondary: bool = False

    def describe(self) -> str:
        """Returns its index and, in brackets, what else its owner may recognise it by."""
        title = self.title and f"“{self.title[:_LISTED_TITLE]}”"
        codec = self.codec if self.decodable else f"{self.codec}, cannot be decoded"
        return f"{self.index} ({', '.join(filter(None, (codec, self.language, title)))})"


@dataclass(frozen=True, slots=True)
class Selection:
    """Groups of tracks in the order in which they are tried; loudness decides inside a group. `together` is True if all
    of them are mixed."""

    groups: tuple[tuple[Track, ...], ...]
    together: bool = False


def parse_tracks(streams: Sequence[Mapping[str, Any]]) -> tuple[Track, ...]:
    """Returns the audio tracks among ffprobe's streams, at most `MAX_TRACKS`."""
    audio = [stream for stream in streams if stream.get("codec_type") == "audio"]
    return tuple(_parse_track(index, stream) for index, stream in enumerate(audio[:MAX_TRACKS]))


def _parse_track(index: int, stream: Mapping[str, Any]) -> Track:
    tags = {str(name).lower(): value for name, value in stream.get("tags", {}).items()}
    marks = stream.get("disposition", {})
    codec = str(stream.get("codec_name", "unknown"))
    language = _clean(tags.get("language"), _MAX_LANGUAGE)
    return Track(
        index=index,
        codec=codec,
        channels=_number(stream.get("channels")),
        decodable=codec not in ("unknown", "none")
        and _number(stream.get("channels")) > 0
        and _number(stream.get("sample_rate")) > 0,
        language=None if language in (None, "und") else language,
        title=_clean(tags.get("title") or _handler_title(tags.get("handler_name")), _MAX_TITLE),
        default=bool(marks.get("default")),
        secondary=any(marks.get(name) for name in _SECONDARY) or language == languages.NO_SPEECH,
    )


def _handler_title(name: object) -> str | None:
    text = str(name or "")
    return None if any(part in text.lower() for part in _NAMELESS) else text


def select(tracks: Sequence[Track], choice: str | None, language: str | None) -> Selection:
    """Selects by the request's `track` and `language`. Raises InputError if there is no such track.

    The result is empty if no track at all can be decoded.
    """
    decodable = [track for track in tracks if track.decodable]
    choice = _clean(choice, MAX_CHOICE_LENGTH) or AUTO
    wanted = choice.casefold()
    if wanted == MIX:
        return Selection((tuple(decodable),) if decodable else (), together=True)
    if wanted == AUTO:
        return Selection(_rank(decodable, language))
    if wanted.isdecimal():
        named = [track for track in tracks if track.index == int(wanted)]
        if named and not named[0].decodable:
            raise InputError(JobCode.TRACK_UNAVAILABLE, f"Track {wanted} cannot be decoded. {_list(tracks)}")
    else:
        named = [track for track in decodable if track.language and languages.is_same(track.language, wanted)]
    if not named:
        raise InputError(JobCode.TRACK_UNAVAILABLE, f"{_describe_missing(choice)} {_list(tracks)}")
    return Selection(_rank(named, language))


def _describe_missing(wanted: str) -> str:
    if wanted.isdecimal():
        return f"The file has no track {wanted}."
    if languages.is_known(wanted):
        return f"The file has no track that is marked as {wanted}."
    return f"{wanted} is neither the index of a track nor a language, auto or mix."


def _list(tracks: Sequence[Track]) -> str:
    if len(tracks) == 1:
        return f"Its only track is {tracks[0].describe()}."
    listed: list[str] = []
    for track in tracks:
        if len(", ".join([*listed, track.describe()])) > _LISTED_CHARACTERS:
            break
        listed.append(track.describe())
    more = f" and {len(tracks) - len(listed)} more" if len(listed) < len(tracks) else ""
    return f"Its tracks are {', '.join(listed)}{more}."


def _rank(tracks: Sequence[Track], language: str | None) -> tuple[tuple[Track, ...], ...]:
    def rank(track: Track) -> tuple[bool, bool, int]:
        return track.secondary, not track.default, _language_rank(track, language) if len(tracks) > 1 else 0

    ranked = sorted(tracks, key=lambda track: (rank(track), track.index))
    return tuple(tuple(group) for _, group in groupby(ranked, key=rank))


def _language_rank(track: Track, language: str | None) -> int:
    """Returns 0 for the language of the request, 1 where the track's is unknown, 2 for another."""
    if language is None or not languages.is_known(language):
        return 0
    if track.language is None or not languages.is_known(track.language):
        return 1
    return 0 if languages.is_same(track.language, language) else 2


def order_by_loudness(tracks: Sequence[Track], levels: Sequence[float | None]) -> list[Track]:
    """Returns the tracks, of one group, in the order of trying: the loudest ones as they come, then the quieter ones.

    `levels` are in LUFS; None is silence.
    """
    heard = [level for level in levels if level is not None]
    if not heard:
        return list(tracks)
    least = max(heard) - EQUAL_LOUDNESS_LU

    def quietness(pair: tuple[Track, float | None]) -> float:
        level = pair[1]
        return float("inf") if level is None else max(0.0, least - level)

    return [track for track, _ in sorted(zip(tracks, levels, strict=True), key=quietness)]


def to_entries(
    tracks: Sequence[Track], used: Sequence[int], unusable: Mapping[int, TrackReason]
) -> tuple[TrackEntry, ...]:
    """Returns the manifest's list. `used` has the indices of the tracks that are in the result, `unusable` says
    why others could not be."""
    return tuple(
        TrackEntry(
            index=track.index,
            codec=track.codec,
            language=track.language,
            title=track.title,
            channels=track.channels,
            default=track.default,
            used=track.index in used,
            reason=None if track.index in used else _reason(track, unusable),
        )
        for track in tracks
    )


def _reason(track: Track, unusable: Mapping[int, TrackReason]) -> TrackReason:
    if not track.decodable:
        return TrackReason.UNDECODABLE
    return unusable.get(track.index, TrackReason.NOT_CHOSEN)


def is_left_out(entries: Sequence[TrackEntry]) -> bool:
    """Returns whether a track was not used that may hold sound: a warning is due."""
    return any(entry.reason in (TrackReason.NOT_CHOSEN, TrackReason.UNDECODABLE) for entry in entries)


def _clean(text: object, length: int) -> str | None:
    """Returns a container's text in one line, shortened; None if there is none."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text or "")).split())
    return line[:length] or None


def _number(value: object) -> int:
    text = str(value or 0)
    return int(text) if text.isdecimal() else 0
