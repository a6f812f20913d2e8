"""What each format looks like, word for word; refresh with WHISPERJOB_REFRESH_GOLDEN=1 and look at the difference."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from whisperjob_client.transcript.merge import merge
from whisperjob_client.transcript.recogniser_answers import parse_answer
from whisperjob_client.transcript.transcript_model import (
    ChunkPlace,
    Doubt,
    NoSpeaker,
    Speakers,
    SpeakerSegment,
    Transcript,
)
from whisperjob_client.transcript.writers import Format, write

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "transcripts"

_TURNS = [
    (0.4, "SPEAKER_00", "Good morning, and welcome to the show. Today we talk about boats <and> harbours & the wind."),
    (7.0, "SPEAKER_01", "Thank you for having me; it is a pleasure to be here, on a day with *that* much sun outside."),
    (13.5, "SPEAKER_00", "So?"),
    (14.2, "SPEAKER_01", "So."),
]
_SECOND = [(0.2, "SPEAKER_00", "Antidisestablishmentarianism_is_a_word_of_well_over_forty_two_letters, isn't it?")]
_MADE_UP = (20.0, "Thanks for watching!")


def _body(turns: list[tuple[float, str, str]], with_words: bool) -> dict[str, Any]:
    words: list[dict[str, Any]] = []
    segments: list[dict[str, Any]] = []
    for begin, _, text in turns:
        said = text.split()
        words += [
            {"word": w.strip(",.?!"), "start": begin + 0.3 * i, "end": begin + 0.3 * i + 0.25}
            for i, w in enumerate(said)
        ]
        segments.append({"text": f" {text}", "start": begin, "end": begin + 0.3 * len(said)})
    return {"segments": segments, "language": "English", "words": words if with_words else None}


@pytest.fixture
def transcript() -> Transcript:
    first = _body(_TURNS, with_words=True)
    begin, text = _MADE_UP
    made_up = {"text": text, "start": begin, "end": begin + 1, "no_speech_prob": 0.93, "avg_logprob": -1.3}
    first["segments"].append(made_up)
    segments = [SpeakerSegment(s, s + 0.3 * len(t.split()), who) for s, who, t in _TURNS]
    segments += [SpeakerSegment(s + 3600, s + 3605, who) for s, who, t in _SECOND]
    return merge(
        [(ChunkPlace(0, 3600), parse_answer(first)), (ChunkPlace(3600, 60), parse_answer(_body(_SECOND, False)))],
        Speakers(tuple(segments)),
        {"SPEAKER_01": "Zoë Quill"},
    )


TEXT_FORMATS = [format_ for format_ in Format if format_ is not Format.DOCX]


@pytest.mark.parametrize("format_", TEXT_FORMATS)
def test_golden(transcript: Transcript, format_: Format) -> None:
    golden = GOLDEN / f"talk.{format_}"
    written = write(transcript, format_, "talk.mp4")
    if os.environ.get("WHISPERJOB_REFRESH_GOLDEN"):
        golden.write_text(written, encoding="utf-8")
    assert written == golden.read_text(encoding="utf-8")


def test_without_speakers_nobody_is_named(transcript: Transcript) -> None:
    words = [{"word": w, "start": i, "end": i + 1} for i, w in enumerate(["Hello", "there."])]
    bare = merge([(ChunkPlace(0, 5), parse_answer({"words": words}))], Speakers.unknown(NoSpeaker.UNAVAILABLE))
    assert write(bare, Format.TXT) == "Hello there.\n"
    assert write(bare, Format.VTT) == "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nHello there.\n"
    assert json.loads(write(bare, Format.JSON))["words"][0] == {
        "start": 0,
        "end": 1,
        "text": "Hello",
        "speaker": None,
        "speakerReason": "diarization_unavailable",
    }


def test_doubtful_words_can_be_left_out(transcript: Transcript) -> None:
    assert "watching" in write(transcript, Format.TXT)
    assert "watching" not in write(transcript.without(frozenset(Doubt)), Format.TXT)


@pytest.mark.parametrize("format_", TEXT_FORMATS)
def test_silence_gives_an_empty_file_of_its_kind(format_: Format) -> None:
    empty = merge([(ChunkPlace(0, 5), parse_answer({"text": ""}))], Speakers.unknown(NoSpeaker.NOT_ASKED))
    expected = {Format.VTT: "WEBVTT\n", Format.MD: "# a\n", Format.TXT: "", Format.SRT: ""}
    expected |= {Format.WORD_VTT: "WEBVTT\n", Format.TSV: "start\tend\ttext\tspeaker\n"}
    assert format_ is Format.JSON or write(empty, format_, "a") == expected[format_]
