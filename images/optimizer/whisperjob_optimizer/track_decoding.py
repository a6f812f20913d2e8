"""Decodes the selected tracks: one after the other until one has sound, or all of them into one.

Which tracks these are is decided in tracks.py; how a track is decoded, measured or added is the caller's.
"""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from whisperjob.model.errors import InputError, JobCode, WarningCode
from whisperjob.model.manifest import TrackReason
from whisperjob_optimizer import loudness, probe
from whisperjob_optimizer.steps import PcmFile
from whisperjob_optimizer.tracks import Selection, Track, order_by_loudness

_NOTHING_THERE = {
    JobCode.EMPTY_INPUT: TrackReason.EMPTY,
    JobCode.NOT_MEDIA: TrackReason.UNDECODABLE,
    JobCode.ENCRYPTED: TrackReason.UNDECODABLE,
}
"""The verdicts on one track with which another may be tried."""


@dataclass(frozen=True, slots=True)
class DecodedTrack:
    """The sound of one track, or of several together, and what was odd about it.

    `compensation_db` is the gain that makes up for silent channels. `format` is that of the (first) track.
    `long_silences` are the ones that timestamps asked for: [begin, end) in samples.
    """

    format: probe.SourceFormat
    pcm: PcmFile
    warnings: tuple[WarningCode, ...] = ()
    compensation_db: float = 0.0
    long_silences: tuple[tuple[int, int], ...] = ()

    @property
    def momentary(self) -> "array[float]":
        """Its momentary loudness without the values of less than a whole block, if it has others."""
        return self.pcm.momentary[loudness.PARTIAL_BLOCKS :] or self.pcm.momentary

    @property
    def silent(self) -> bool:
        """It is True if nothing is above the absolute gate of EBU R128."""
        return loudness.integrated_lufs(self.momentary) is None


class TrackDecoder(Protocol):
    """What is done with tracks."""

    def decode(self, track: Track) -> DecodedTrack:
        """Decodes a whole track. Raises InputError."""

    def measure(self, tracks: Sequence[Track]) -> list[float | None]:
        """Estimates the loudness of each track, in LUFS, by parts of it; None if all of it is silent."""

    def add(self, one: DecodedTrack, gain_db: float, two: DecodedTrack, two_gain_db: float) -> DecodedTrack:
        """Adds two sounds, each with a gain, sample by sample, and removes their files."""

    def discard(self, decoded: DecodedTrack) -> None:
        """Removes the file."""


@dataclass(slots=True)
class DecodedTracks:
    """The sound of a recording, the tracks it is made of, and why others were not usable."""

    sound: DecodedTrack
    used: list[int]
    unusable: dict[int, TrackReason] = field(default_factory=dict)


def decode_tracks(selection: Selection, decoder: TrackDecoder) -> DecodedTracks:
    """Returns the sound of a selection that is not empty. Raises InputError: that of the first track if no track has a
    sample."""
    return (_decode_all if selection.together else _decode_best)(selection, decoder)


def _decode_best(selection: Selection, decoder: TrackDecoder) -> DecodedTracks:
    found = _Search(decoder)
    for group in selection.groups:
        for track in found.order(group):
            if found.try_track(track):
                found.find_silent([other for others in selection.groups for other in others])
                return found.to_result()
    return found.to_result()


class _Search:
    """The tracks that were tried, until one has sound."""

    def __init__(self, decoder: TrackDecoder) -> None:
        self._decoder = decoder
        self._chosen: tuple[Track, DecodedTrack] | None = None
        self._refused: InputError | None = None
        self._unusable: dict[int, TrackReason] = {}
        self._levels: dict[int, float | None] = {}

    def order(self, group: Sequence[Track]) -> Sequence[Track]:
        """Returns the tracks of a group in the order in which they are tried."""
        if len(group) == 1:
            return group
        return order_by_loudness(group, self._measure(group))

    def try_track(self, track: Track) -> bool:
        """Returns whether the track has sound. Of silent ones, the first one stays chosen. Raises InputError."""
        if self._chosen is not None and self._levels.get(track.index, 0.0) is None:
            self._unusable[track.index] = TrackReason.SILENT
            return False
        try:
            decoded = self._decoder.decode(track)
        except InputError as error:
            self._refused = self._refused or error
            self._unusable[track.index] = _reason_to_go_on(error)
            return False
        if decoded.silent:
            self._unusable[track.index] = TrackReason.SILENT
        if self._chosen is not None:
            self._decoder.discard((self._chosen if not decoded.silent else (track, decoded))[1])
        if self._chosen is None or not decoded.silent:
            self._chosen = track, decoded
        return not decoded.silent

    def find_silent(self, tracks: Sequence[Track]) -> None:
        """Finds out which of the tracks that were not tried are silent: to leave these out needs no warning."""
        self._measure([track for track in tracks if track.index not in (*self._unusable, *self._used())])
        silent = [index for index, level in self._levels.items() if level is None]
        self._unusable = dict.fromkeys(silent, TrackReason.SILENT) | self._unusable

    def to_result(self) -> DecodedTracks:
        """Returns what was chosen. Raises InputError: that of the first track if no track has a sample."""
        if self._chosen is None:
            assert self._refused is not None
            raise self._refused
        return DecodedTracks(self._chosen[1], self._used(), self._unusable)

    def _used(self) -> list[int]:
        return [] if self._chosen is None else [self._chosen[0].index]

    def _measure(self, tracks: Sequence[Track]) -> list[float | None]:
        """Returns the levels of tracks, each of which is measured once."""
        unknown = [track for track in tracks if track.index not in self._levels]
        if unknown:
            measured = zip(unknown, self._decoder.measure(unknown), strict=True)
            self._levels |= {track.index: level for track, level in measured}
        return [self._levels[track.index] for track in tracks]


def _reason_to_go_on(error: InputError) -> TrackReason:
    if error.code not in _NOTHING_THERE:
        raise error
    return _NOTHING_THERE[error.code]


def _decode_all(selection: Selection, decoder: TrackDecoder) -> DecodedTracks:
    """Returns the mean of all tracks with sound: they weigh the same, and as with channels the weights sum to 1."""
    unusable: dict[int, TrackReason] = {}
    refused: InputError | None = None
    silent: tuple[Track, DecodedTrack] | None = None
    used: list[int] = []
    mean: DecodedTrack | None = None
    for track in (track for group in selection.groups for track in group):
        try:
            decoded = decoder.decode(track)
        except InputError as error:
            refused = refused or error
            unusable[track.index] = _reason_to_go_on(error)
            continue
        if decoded.silent:
            unusable[track.index] = TrackReason.SILENT
            if silent is None and mean is None:
                silent = track, decoded
            else:
                decoder.discard(decoded)
            continue
        used.append(track.index)
        if mean is None:
            mean = decoded
        else:
            share = _decibel(1 / len(used))
            before = mean.compensation_db + _decibel(1 - 1 / len(used))
            mean = decoder.add(mean, before, decoded, decoded.compensation_db + share)
    if mean is not None:
        if silent is not None:
            decoder.discard(silent[1])
        return DecodedTracks(mean, used, unusable)
    if silent is None:
        assert refused is not None
        raise refused
    return DecodedTracks(silent[1], [silent[0].index], unusable)


def _decibel(factor: float) -> float:
    return 20 * math.log10(factor)
