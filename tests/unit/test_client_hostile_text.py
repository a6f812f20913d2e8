"""Answers of a hostile recogniser or service never end in a traceback, and never write what a file cannot have."""

import json
import math
import re
from contextlib import suppress
from datetime import UTC, datetime
from time import process_time
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisperjob_client.api.responses import parse, retry_after
from whisperjob_client.errors import BadAnswerError, ClientError, SpeechError, UsageError
from whisperjob_client.foreign_json import MAX_DEPTH, ForeignJsonError, check_json, load_json
from whisperjob_client.models import Diarization, Job
from whisperjob_client.plain_text import one_line, plain
from whisperjob_client.speech.answer_bodies import read_answer
from whisperjob_client.speech.refusals import read_refusal, to_error
from whisperjob_client.transcript.answer_clocks import on_chunk_clock
from whisperjob_client.transcript.document import read_document, write_document
from whisperjob_client.transcript.formats import Format
from whisperjob_client.transcript.merge import merge
from whisperjob_client.transcript.recogniser_answers import AnswerShapeError, parse_answer
from whisperjob_client.transcript.transcript_model import ChunkPlace, Speakers, SpeakerSegment, Transcript, Word
from whisperjob_client.transcript.writers import encode

NASTY = (
    "\x1b[2J", "\x1b]0;title\x07", "\x1b]8;;http://evil\x1b\\", "\x9b31m", "\x00", "\n", "\r\n", "\u2028", "\x85",
    "-->", "<v Bob>", "</v>", "{\\an8}", "00:00:01,000 --> 00:00:02,000", "\u202e", "\u2066", "\ufeff", "\ud83d", "&",
    "\uffff", "]]>", "WEBVTT", "NOTE", "\t", "**", "# ", "| ", "", " ", "\u3042", "\U000e0041", "a" * 3000,
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(NASTY) | st.text(max_size=8), max_size=4).map("".join)
NUMBERS = (
    st.floats() | st.integers() | st.sampled_from([10**400, -(10**400), "1e400", "NaN", "9" * 5000 + ":00:00", "1:2:3"])
)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
NAMES = st.sampled_from(
    [
        "text", "segments", "words", "word", "start", "end", "chunks", "timestamp", "duration", "language", "parts",
        "probability", "no_speech_prob", "avg_logprob", "compression_ratio", "error", "message", "code", "detail",
    ]
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=25
)
ANSWERS = st.fixed_dictionaries(
    {"text": TEXTS},
    optional={
        "language": LEAVES,
        "duration": NUMBERS,
        "segments": st.lists(
            st.fixed_dictionaries({"text": TEXTS, "start": NUMBERS, "end": NUMBERS}, optional={"words": VALUES}),
            max_size=5,
        ),
        "words": st.lists(st.fixed_dictionaries({"word": TEXTS, "start": NUMBERS, "end": NUMBERS}), max_size=6),
    },
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e\ufeff\ud800-\udfff]")


def transcript_of(body: object) -> Transcript | None:
    """Returns the transcript of an answer, or None if it was refused with a sentence."""
    try:
        answer = parse_answer(read_answer(json.dumps(body).encode()), 30.0)
    except (SpeechError, AnswerShapeError):
        return None
    turns = (SpeakerSegment(0.0, 5.0, "SPEAKER_00\n\x1b"), SpeakerSegment(5.0, 30.0, "<v SPEAKER_01>"))
    return merge([(ChunkPlace(60.0, 30.0), on_chunk_clock(answer, 30.0))], Speakers(turns))


@settings(max_examples=150, deadline=None)
@given(ANSWERS | VALUES)
def test_any_answer_gives_a_sentence_or_files_that_are_whole(body: object) -> None:
    transcript = transcript_of(body)
    if transcript is None:
        return
    assert all(60.0 <= word.start <= word.end <= 90.0 for word in transcript.words)
    files = {format_: encode(transcript, format_, "A \x1b title\n") for format_ in Format}
    for format_ in set(Format) - {Format.DOCX, Format.JSON}:
        assert not CONTROL.search(files[format_].decode()), format_
    cues = files[Format.SRT].decode()
    assert cues.count("-->") == len(re.findall(r"^\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}$", cues, re.M))
    vtt = files[Format.VTT].decode()
    assert vtt.count("-->") == len(re.findall(r"^\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}$", vtt, re.M))
    again, _ = read_document(files[Format.JSON], "x.json")
    assert len(again.words) == len(transcript.words)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from([None, "utf-8", "punycode", "undefined", "idna", "zlib", "\x00", "utf-16"])
)
def test_any_bytes_are_an_answer_or_a_sentence(content: bytes, charset: str | None) -> None:
    said = ""
    try:
        read_answer(content, charset)
    except SpeechError as error:
        said = error.message
    assert plain(said) == said


@settings(max_examples=150, deadline=None)
@given(
    VALUES,
    st.integers(400, 599),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), TEXTS | st.just("1e400")),
)
def test_any_refusal_is_one_line(body: object, status: int, headers: dict[str, str]) -> None:
    refusal = read_refusal(status, "no", headers, json.dumps(body).encode(), datetime.now(UTC))
    assert refusal.wait_seconds is None or math.isfinite(refusal.wait_seconds)
    error = to_error(refusal)
    assert plain(error.message) == error.message
    assert len(error.message) < 1000


@given(st.text(max_size=60) | st.sampled_from(["nan", "inf", "1e400", "Mon, 01 Jan 99999 00:00:00 +9999999999"]))
def test_any_retry_after_is_a_time_or_none(value: str) -> None:
    wait = retry_after({"retry-after": value}, datetime.now(UTC))
    assert wait is None or (wait >= 0 and math.isfinite(wait))


FIELDS = st.sampled_from(
    ["jobId", "status", "step", "progress", "duration", "chunks", "warnings", "tracks", "error", "errorCode", "result",
     "segments", "exclusive", "speakers", "start", "end", "speaker", "index", "filename", "sizeMB", "sha256", "unknown"]
)  # fmt: skip
ANY = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(FIELDS, ANY, max_size=8), st.sampled_from([Job, Diarization]))
def test_any_answer_of_a_service_is_a_model_or_a_sentence(
    fields: dict[str, Any], kind: type[Job | Diarization]
) -> None:
    content = json.dumps({"jobId": "a", "status": "completed", **fields}).encode()
    response = httpx.Response(200, content=content, request=httpx.Request("GET", "http://service/job/a"))
    try:
        answer = parse(response, kind)
    except BadAnswerError:
        return
    assert plain(answer.job_id) == answer.job_id
    assert json.loads(answer.to_json())["jobId"] == answer.job_id


WORDS = st.fixed_dictionaries(
    {"start": st.floats(), "end": st.floats(), "text": TEXTS, "speaker": st.none() | TEXTS},
    optional={"gap": TEXTS, "confidence": st.floats(), "doubt": st.sampled_from(["silence", "x"])},
)


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {"schemaVersion": st.sampled_from([1, 2, 2, 2, True, 10**400, "2"]), "words": st.lists(WORDS, max_size=5)},
        optional={"title": TEXTS, "duration": st.floats(), "language": TEXTS, "speakers": ANY, "source": ANY},
    )
)
def test_any_document_is_read_or_refused_with_a_sentence(body: dict[str, Any]) -> None:
    whole = {"title": "t", "duration": 1.0, "language": None, "speakers": [{"id": "a\n", "name": "\x1b[2J"}], **body}
    try:
        transcript, title = read_document(json.dumps(whole).encode(), "x.json")
    except UsageError:
        return
    for format_ in Format:
        encode(transcript, format_, title)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a[2Jb"),
        ("a\nb\tc\u2028d", "a b c d"),
        ("\x9b31mred\x07", "31mred"),
        ("abc\u202etxt.exe\u2066", "abctxt.exe"),
        ("half \ud83d", "half \ufffd"),
        ("a byte \udc9b", "a byte \ufffd"),
        ("name \udcff", "name \udcff"),
        ("\U000e0041hidden", "hidden"),
        ("שלום\u200f, נכון", "שלום\u200f, נכון"),
        ("क\u200dष", "क\u200dष"),
    ],
)
def test_plain_text_moves_no_cursor_and_hides_nothing(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert ClientError(text).message == str(ClientError(text)) == shown


def test_long_text_is_cut() -> None:
    assert plain("a" * 10, 5) == "aaaa…"
    assert len(ClientError("a" * 10**6).message) == 2000


def test_overrides_leave_transcripts_and_other_marks_stay() -> None:
    assert one_line("a\u202eb\u202bc\u200fd") == "ab\u202bc\u200fd"


@pytest.mark.parametrize("text", ["[" * 60_000, '{"a":' * 60_000, "[" * (MAX_DEPTH + 1), "[{}" + ",{}" * 3_000_000])
def test_deep_or_wide_json_is_refused(text: str) -> None:
    with pytest.raises(ForeignJsonError):
        check_json(text)


def test_brackets_inside_strings_are_no_levels() -> None:
    assert load_json(json.dumps({"a": "[{" * 100, 'b"\\': "\\"})) == {"a": "[{" * 100, 'b"\\': "\\"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"text": "a " * 14_000}, id="one letter again and again"),
        pytest.param({"text": "a" * 28_000}, id="one word"),
        pytest.param({"text": ("a b " * 5000), "words": [{"word": " a"}] * 2500}, id="words that do not agree"),
        pytest.param(
            {"text": "x " + "a " * 7000 + "y", "words": [{"word": f" {'ab'[i % 2]}", "start": i} for i in range(2800)]},
            id="many equal words",
        ),
        pytest.param(
            {"text": "", "segments": [{"text": " b" * 5, "start": i % 7, "end": -i} for i in range(2500)]},
            id="segments",
        ),
        pytest.param({"text": "<title" * 4600}, id="tags without an end"),
    ],
)
def test_the_largest_answers_take_seconds(body: dict[str, Any]) -> None:
    """The ceiling is the point: without limits, some of these take hours."""
    began = process_time()
    transcript = transcript_of(body)
    if transcript is not None:
        encode(transcript, Format.SRT)
    assert process_time() - began < 30


@pytest.mark.parametrize(
    "body", [b"<html><title" * 1_000_000, b"1:00.0 --> 1:00.1\n" + b"<c" * 4_000_000, b" \n" * 4_000_000]
)
def test_a_large_body_that_is_no_json_takes_seconds(body: bytes) -> None:
    began = process_time()
    with suppress(SpeechError, AnswerShapeError):
        parse_answer(read_answer(body), 30.0)
    assert process_time() - began < 30


@pytest.mark.parametrize(
    "body",
    [
        {"text": "a" * 40_000},
        {"text": "", "words": [{"word": "a"}] * 4000},
        {"segments": [{"words": [{"word": "a"}] * 4000}]},
    ],
)
def test_more_text_than_anybody_says_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(AnswerShapeError, match="more text than anybody says in 10 s"):
        parse_answer(body, 10.0)
    parse_answer(body, 3600.0)  # in an hour somebody may say it


def test_a_written_document_is_read_again_whatever_is_in_it() -> None:
    words = tuple(Word(float(i), float(i), text, speaker="\x1b\n") for i, text in enumerate(NASTY) if text != "\ud83d")
    written = write_document(Transcript(words, 1e308), "t")
    transcript, _ = read_document(written.encode(), "x")
    assert transcript.duration == 1e9
    assert transcript.speakers == (" ",)
