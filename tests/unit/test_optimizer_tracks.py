"""Which of several tracks is used: by what ffprobe says of them, the request, and their loudness."""

from collections.abc import Mapping
from typing import Any

import pytest

from whisperjob.model.errors import InputError, JobCode
from whisperjob_optimizer import languages, tracks
from whisperjob_optimizer.tracks import Track


def stream(codec: str | None = "aac", language: str | None = None, *marks: str, **changes: Any) -> Mapping[str, Any]:
    """An audio stream as ffprobe prints it."""
    found: dict[str, Any] = {"codec_type": "audio", "sample_rate": "48000", "channels": 2}
    if codec is not None:
        found["codec_name"] = codec
    if language is not None:
        found["tags"] = {"language": language}
    return found | {"disposition": dict.fromkeys(marks, 1)} | changes


APAC = stream(None, channels=0, sample_rate="0")
VIDEO = {"codec_type": "video", "codec_name": "h264", "disposition": {"default": 1}}
COVER = {"codec_type": "video", "codec_name": "mjpeg", "disposition": {"attached_pic": 1}}
TIMECODE = {"codec_type": "data"}

RANKED = [
    pytest.param([VIDEO, stream(), COVER, TIMECODE], None, [[0]], id="one track beside pictures and data"),
    pytest.param([stream(), stream()], None, [[0, 1]], id="loudness decides"),
    pytest.param([stream(), stream("aac", None, "default")], None, [[1], [0]], id="the default one"),
    pytest.param([stream("aac", None, "default")] * 2, None, [[0, 1]], id="a mark that all have says nothing"),
    pytest.param([APAC, stream()], None, [[1]], id="the first cannot be decoded"),
    pytest.param([stream("aac", None, "default", sample_rate="0"), stream()], None, [[1]], id="default, no rate"),
    pytest.param([stream("aac", "eng"), stream("aac", "ger")], "de", [[1], [0]], id="language"),
    pytest.param([stream("aac", "eng"), stream()], "de", [[1], [0]], id="an unknown language may be it"),
    pytest.param([stream("aac", "eng"), stream("aac", "ger"), stream("aac", "de")], "German", [[1, 2], [0]], id="two"),
    pytest.param([stream("aac", "eng", "default"), stream("aac", "ger")], "de", [[0], [1]], id="default before it"),
    pytest.param([stream("aac", "eng"), stream("aac", "ger")], "Elvish", [[0, 1]], id="no such language"),
    pytest.param([stream("aac", "eng", "comment", "default"), stream()], None, [[1], [0]], id="commentary last"),
    pytest.param([stream("aac", None, "visual_impaired"), stream()], None, [[1], [0]], id="audio description last"),
    pytest.param([stream("aac", None, "hearing_impaired"), stream()], None, [[1], [0]], id="hearing impaired last"),
    pytest.param([stream("aac", "zxx"), stream("aac", "eng")], "de", [[1], [0]], id="music and effects last"),
    pytest.param([APAC], None, [], id="nothing can be decoded"),
    pytest.param([stream()] * 16, None, [list(range(16))], id="16 tracks"),
]


def indices(selection: tracks.Selection) -> list[list[int]]:
    return [[track.index for track in group] for group in selection.groups]


@pytest.mark.parametrize(("streams", "language", "expected"), RANKED)
def test_auto_ranks_the_tracks(
    streams: list[Mapping[str, Any]], language: str | None, expected: list[list[int]]
) -> None:
    for auto in (None, "auto", "AUTO"):
        assert indices(tracks.select(tracks.parse_tracks(streams), auto, language)) == expected


CHOSEN = [
    pytest.param("0", [[0]], id="index"),
    pytest.param("2", [[2]], id="the last index"),
    pytest.param("ger", [[1]], id="bibliographic code"),
    pytest.param("DEU", [[1]], id="terminological code"),
    pytest.param("de", [[1]], id="two letters"),
    pytest.param("german", [[1]], id="name"),
    pytest.param("de-AT", [[1]], id="language tag"),
    pytest.param("en_US", [[0], [2]], id="two, the default one first"),
]


@pytest.mark.parametrize(("choice", "expected"), CHOSEN)
def test_a_choice_is_an_index_or_a_language(choice: str, expected: list[list[int]]) -> None:
    three = tracks.parse_tracks([stream("aac", "eng", "default"), stream("aac", "ger"), stream("aac", "en")])
    assert indices(tracks.select(three, choice, None)) == expected


def test_a_mix_has_all_that_can_be_decoded() -> None:
    selection = tracks.select(tracks.parse_tracks([APAC, stream(), stream("aac", None, "comment")]), "Mix", None)
    assert (selection.together, indices(selection)) == (True, [[1, 2]])


LIST = "Its tracks are 0 (unknown, cannot be decoded), 1 (ac3, fra, “Éléonore”)."
MISSING = [
    pytest.param("3", f"The file has no track 3. {LIST}", id="index"),
    pytest.param("0", f"Track 0 cannot be decoded. {LIST}", id="undecodable"),
    pytest.param("de", f"The file has no track that is marked as de. {LIST}", id="language"),
    pytest.param("-1", f"-1 is neither the index of a track nor a language, auto or mix. {LIST}", id="neither"),
    pytest.param("x\ny", f"x y is neither the index of a track nor a language, auto or mix. {LIST}", id="two lines"),
]


@pytest.mark.parametrize(("choice", "sentence"), MISSING)
def test_a_choice_that_does_not_exist_is_answered_with_a_list(choice: str, sentence: str) -> None:
    two = tracks.parse_tracks([APAC, stream("ac3", "fra", tags={"LANGUAGE": "fra", "TITLE": "Éléonore\n"})])
    with pytest.raises(InputError) as caught:
        tracks.select(two, choice, None)
    assert caught.value.code is JobCode.TRACK_UNAVAILABLE
    assert caught.value.message == sentence


def test_a_verdict_on_many_tracks_stays_short() -> None:
    many = [stream("aac", "eng" * 20, tags={"title": "t" * 500, "language": "e" * 500})] * 300
    with pytest.raises(InputError) as caught:
        tracks.select(tracks.parse_tracks(many), "l" * 64, None)
    assert len(caught.value.message) <= 500
    assert " more." in caught.value.message


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        pytest.param([-30.0, -20.0, -40.0], [1, 0, 2], id="louder first"),
        pytest.param([-22.0, -20.0], [0, 1], id="as loud, in order"),
        pytest.param([None, -60.0, -23.0, -20.5], [2, 3, 1, 0], id="silence last"),
        pytest.param([None, None], [0, 1], id="nothing heard"),
    ],
)
def test_loudness_decides_among_equals(levels: list[float | None], expected: list[int]) -> None:
    group = tracks.parse_tracks([stream()] * len(levels))
    assert [track.index for track in tracks.order_by_loudness(group, levels)] == expected


@pytest.mark.parametrize(
    ("handler", "title"),
    [("SoundHandler", None), ("Core Media Audio", None), ("Anna's mic", "Anna's mic"), ("\0 \x1b[1m", "[1m")],
)
def test_titles_are_what_people_wrote(handler: str, title: str | None) -> None:
    assert tracks.parse_tracks([stream(tags={"handler_name": handler})])[0].title == title


@pytest.mark.parametrize("name", ["de", "deu", "ger", "German", "DE", "de-AT", "de_DE.UTF-8"])
def test_a_language_has_many_names(name: str) -> None:
    assert languages.is_same(name, "ger")
    assert not languages.is_same(name, "nds")


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("zh", "chi", True),
        ("Mandarin", "zho", True),
        ("cmn", "yue", False),
        ("no", "nob", True),
        ("nb", "nn", False),
        ("greek", "el", True),
        ("und", "de", False),
        ("Original", "original", True),
        ("", "de", False),
    ],
)
def test_languages_contain_others(one: str, two: str, same: bool) -> None:
    assert languages.is_same(one, two) is languages.is_same(two, one) is same


def test_a_track_without_anything_is_described_by_its_index() -> None:
    assert Track(0, "opus", 1, decodable=True).describe() == "0 (opus)"
