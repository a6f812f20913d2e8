"""Which tracks are decoded, in which order, and what is done with each."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from whisperjob.model.errors import InputError, JobCode
from whisperjob.model.manifest import TrackReason
from whisperjob.model.phase import RawFormat
from whisperjob_optimizer import probe
from whisperjob_optimizer.steps import PcmFile
from whisperjob_optimizer.track_decoding import DecodedTrack, DecodedTracks, decode_tracks
from whisperjob_optimizer.tracks import Selection, Track

FORMAT = probe.describe_headerless(RawFormat.S16LE, 16_000, 1, 32_000, "5.1")
EMPTY, BROKEN, ENDLESS = JobCode.EMPTY_INPUT, JobCode.NOT_MEDIA, JobCode.DURATION_LIMIT
Sound = float | None | JobCode
"""What a track has: its loudness in LUFS, silence, or the verdict on it."""


@dataclass
class RecordedDecoder:
    """Knows what every track has, and records what was done."""

    sounds: Sequence[Sound]
    heard: Sequence[float | None] = ()
    """What measuring finds; by default the truth."""

    done: list[str] = field(default_factory=list)

    def decode(self, track: Track) -> DecodedTrack:
        self.done.append(f"decode {track.index}")
        sound = self.sounds[track.index]
        if isinstance(sound, JobCode):
            raise InputError(sound, f"Track {track.index}.")
        momentary = array("f", [-100.0 if sound is None else sound] * 20)
        return DecodedTrack(FORMAT, PcmFile(Path(str(track.index)), 32_000, momentary))

    def measure(self, tracks: Sequence[Track]) -> list[float | None]:
        self.done.append("measure " + " ".join(str(track.index) for track in tracks))
        levels = self.heard or [-70.0 if isinstance(sound, JobCode) else sound for sound in self.sounds]
        return [levels[track.index] for track in tracks]

    def add(self, one: DecodedTrack, gain_db: float, two: DecodedTrack, two_gain_db: float) -> DecodedTrack:
        names = one.pcm.path.name, two.pcm.path.name
        self.done.append(f"add {names[0]} {gain_db:+.1f} {names[1]} {two_gain_db:+.1f}")
        return replace(one, pcm=replace(one.pcm, path=Path("".join(names))))

    def discard(self, decoded: DecodedTrack) -> None:
        self.done.append(f"discard {decoded.pcm.path.name}")


def run(decoder: RecordedDecoder, *groups: Sequence[int], together: bool = False) -> DecodedTracks:
    tracks = [tuple(Track(index, "aac", 1, decodable=True) for index in group) for group in groups]
    return decode_tracks(Selection(tuple(tracks), together), decoder)


BEST = [
    pytest.param([-20.0], [[0]], 0, "decode 0", id="one track costs nothing more"),
    pytest.param([None], [[0]], 0, "decode 0", id="one silent track"),
    pytest.param([-20.0, -20.0], [[1], [0]], 1, "decode 1, measure 0", id="in the order of the groups"),
    pytest.param([-40.0, -20.0], [[0, 1]], 1, "measure 0 1, decode 1", id="the louder one of a group"),
    pytest.param([None, -20.0], [[0], [1]], 1, "decode 0, decode 1, discard 0", id="silence gives way"),
    pytest.param([EMPTY, -20.0], [[0], [1]], 1, "decode 0, decode 1", id="emptiness gives way"),
    pytest.param([BROKEN, -20.0], [[0], [1]], 1, "decode 0, decode 1", id="what cannot be decoded gives way"),
    pytest.param([None, EMPTY], [[0], [1]], 0, "decode 0, decode 1", id="silence is better than nothing"),
    pytest.param([None, None, None], [[0, 1, 2]], 0, "measure 0 1 2, decode 0", id="known silence is decoded once"),
    pytest.param([None, None], [[1], [0]], 1, "decode 1, decode 0, discard 0", id="all silent: the first"),
]


@pytest.mark.parametrize(("sounds", "groups", "used", "done"), BEST)
def test_tracks_are_tried_until_one_has_sound(
    sounds: list[Sound], groups: list[list[int]], used: int, done: str
) -> None:
    decoder = RecordedDecoder(sounds)
    found = run(decoder, *groups)
    assert (found.used, ", ".join(decoder.done)) == ([used], done)
    assert found.sound.pcm.path == Path(str(used))


def test_it_is_known_why_others_were_not_used() -> None:
    found = run(RecordedDecoder([EMPTY, None, BROKEN, -20.0, None, -25.0]), [0], [1], [2], [3], [4], [5])
    assert found.used == [3]
    assert found.unusable == {
        0: TrackReason.EMPTY,
        1: TrackReason.SILENT,
        2: TrackReason.UNDECODABLE,
        4: TrackReason.SILENT,
    }


def test_without_any_sample_the_first_verdict_counts() -> None:
    with pytest.raises(InputError) as caught:
        run(RecordedDecoder([BROKEN, EMPTY]), [0], [1])
    assert (caught.value.code, caught.value.message) == (BROKEN, "Track 0.")


def test_a_limit_ends_the_search() -> None:
    decoder = RecordedDecoder([ENDLESS, -20.0])
    with pytest.raises(InputError) as caught:
        run(decoder, [0], [1])
    assert (caught.value.code, decoder.done) == (ENDLESS, ["decode 0"])


MIXES: list[object] = [
    pytest.param([-20.0, -20.0], [0, 1], "decode 0, decode 1, add 0 -6.0 1 -6.0", id="two weigh the same"),
    pytest.param(
        [-20.0, -20.0, -20.0],
        [0, 1, 2],
        "decode 0, decode 1, add 0 -6.0 1 -6.0, decode 2, add 01 -3.5 2 -9.5",
        id="three weigh the same",
    ),
    pytest.param([None, -20.0, EMPTY], [1], "decode 0, decode 1, decode 2, discard 0", id="one of three has sound"),
    pytest.param([None, None], [0], "decode 0, decode 1, discard 1", id="silence"),
]


@pytest.mark.parametrize(("sounds", "used", "done"), MIXES)
def test_a_mix_is_the_mean_of_all_sound(sounds: list[Sound], used: list[int], done: str) -> None:
    decoder = RecordedDecoder(sounds)
    found = run(decoder, range(len(sounds)), together=True)
    assert (found.used, ", ".join(decoder.done)) == (used, done)
