"""Times of answers: other units, clocks that begin again, parts in the wrong order, odd numbers; and joined parts."""

import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.audio.tone_speech import hear, script, write_tones
from whisperjob_client.speech.mp3_parts import Mp3PartsError, cut_into_parts
from whisperjob_client.transcript.answer_clocks import on_chunk_clock, times_of
from whisperjob_client.transcript.answer_parts import build_parts_body, parse_parts
from whisperjob_client.transcript.merge import merge
from whisperjob_client.transcript.recogniser_answers import ChunkAnswer, TimedWord, parse_answer
from whisperjob_client.transcript.transcript_model import ChunkPlace, NoSpeaker, Speakers, TimesOf

NOT_ASKED = Speakers.unknown(NoSpeaker.NOT_ASKED)
SPOKEN = [(f"word{index:03d}", 0.4 + 0.7 * index, 0.8 + 0.7 * index) for index in range(160)]
"""Words of 112 seconds, of which a chunk of two minutes has the first."""


def words(spoken: list[tuple[str, float, float]], scale: float = 1.0) -> list[dict[str, Any]]:
    return [{"word": text, "start": start * scale, "end": end * scale} for text, start, end in spoken]


def sentences(spoken: list[tuple[str, float, float]], scale: float = 1.0) -> list[dict[str, Any]]:
    groups = [spoken[index : index + 8] for index in range(0, len(spoken), 8)]
    return [
        {"text": " ".join(text for text, _, _ in group), "start": group[0][1] * scale, "end": group[-1][2] * scale}
        for group in groups
    ]


def inside(spoken: list[tuple[str, float, float]]) -> list[dict[str, Any]]:
    """Returns segments of a word each, with this inside: segments never reach into the next window."""
    return [
        {"text": text, "start": start, "end": end, "words": words([(text, start, end)])} for text, start, end in spoken
    ]


def restarting(seconds: float) -> list[tuple[str, float, float]]:
    """Returns the words with clocks that begin at zero in every window."""
    return [(text, start % seconds, start % seconds + end - start) for text, start, end in SPOKEN]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"words": words(SPOKEN)}, id="seconds"),
        pytest.param({"words": words(SPOKEN, 1e3)}, id="milliseconds"),
        pytest.param({"words": words(SPOKEN, 1e2)}, id="hundredths"),
        pytest.param({"words": words(SPOKEN, 1e6)}, id="microseconds"),
        pytest.param({"words": words(SPOKEN, 1e7)}, id="ticks"),
        pytest.param({"words": words(SPOKEN, 1e9)}, id="nanoseconds"),
        pytest.param({"words": words(SPOKEN, 1e3), "segments": sentences(SPOKEN, 1e3)}, id="milliseconds everywhere"),
        pytest.param({"words": words(SPOKEN), "segments": sentences(SPOKEN)}, id="seconds everywhere"),
        pytest.param({"words": words(restarting(30))}, id="windows of 30 s"),
        pytest.param({"words": words(restarting(60))}, id="windows of 60 s"),
        pytest.param({"words": words(restarting(30), 1e3)}, id="windows of 30 s, in milliseconds"),
        pytest.param({"segments": inside(restarting(30))}, id="windows of 30 s, words inside segments"),
        pytest.param({"segments": inside(SPOKEN)}, id="words inside segments"),
        pytest.param({"segments": inside([*SPOKEN[80:], *SPOKEN[:80]])}, id="segments in the wrong order"),
        pytest.param({"words": words([*SPOKEN[80:], *SPOKEN[:80]])}, id="two halves in the wrong order"),
        pytest.param(
            {"words": [{"word": t, "timestamp": [s, e]} for t, s, e in SPOKEN]}, id="pairs, as transformers has them"
        ),
        pytest.param({"words": [{"word": t, "start": f"{s}s", "end": f"{e}s"} for t, s, e in SPOKEN]}, id="'1.5s'"),
        pytest.param(
            {"words": [{"word": t, "start": f"{s * 1000}ms", "end": f"{e * 1000}ms"} for t, s, e in SPOKEN]}, id="'1ms'"
        ),
        pytest.param(
            {
                "words": [
                    {
                        "word": t,
                        "start": f"00:{int(s) // 60:02d}:{s % 60:06.3f}",
                        "end": f"{int(e) // 60}:{e % 60:06.3f}",
                    }
                    for t, s, e in SPOKEN
                ]
            },
            id="clocks",
        ),
    ],
)
def test_words_are_where_they_sound(body: dict[str, Any]) -> None:
    found = merge([(ChunkPlace(0, 120), on_chunk_clock(parse_answer(body), 120))], NOT_ASKED).words
    assert sorted(word.text for word in found) == [text for text, _, _ in SPOKEN], "no word is lost"
    starts = {word.text: word.start for word in found}
    assert {text: round(starts[text], 2) for text in starts} == {text: round(start, 2) for text, start, _ in SPOKEN}


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e9])
def test_segments_are_where_they_sound(scale: float) -> None:
    answer = on_chunk_clock(parse_answer({"segments": sentences(SPOKEN, scale), "text": "x"}), 120)
    expected = [(round(s["start"], 2), round(s["end"], 2)) for s in sentences(SPOKEN)]
    assert [(round(s.start or 0, 2), round(s.end or 0, 2)) for s in answer.segments] == expected


def test_words_that_count_from_their_segment() -> None:
    parts = [
        {
            "start": start,
            "end": start + 3,
            "text": "one two three",
            "words": words([("one", 0, 1), ("two", 1, 2), ("three", 2, 3)]),
        }
        for start in (0.0, 10.0, 20.0, 30.0)
    ]
    answer = on_chunk_clock(parse_answer({"segments": parts}), 40)
    assert [word.start for word in answer.words] == [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32]


def test_a_few_words_at_a_long_chunks_beginning_show_their_unit_by_their_length() -> None:
    answer = on_chunk_clock(parse_answer({"words": words(SPOKEN[:2], 1e3)}), 1800)
    assert [(word.start, word.end) for word in answer.words] == [(0.4, 0.8), (pytest.approx(1.1), pytest.approx(1.5))]


def test_words_behind_a_chunks_end_are_in_no_other_unit() -> None:
    answer = on_chunk_clock(parse_answer({"text": "", "words": words(SPOKEN)}), 30)
    assert [(word.start, word.end) for word in answer.words[:40]] == [(start, end) for _, start, end in SPOKEN[:40]]


def test_one_long_segment_over_a_whole_chunk_is_no_other_unit() -> None:
    said = " ".join(text for text, _, _ in SPOKEN)
    answer = on_chunk_clock(parse_answer({"segments": [{"text": said, "start": 0, "end": 600}]}), 600)
    assert (answer.segments[0].start, answer.segments[0].end) == (0, 600)


def test_clocks_that_begin_again_at_unknown_places_say_nothing() -> None:
    """Of four windows one is silent, and which one cannot be known."""
    spoken = [word for word in restarting(30) if not 60 <= SPOKEN[int(word[0][4:])][1] < 90]
    answer = on_chunk_clock(parse_answer({"words": words(spoken)}), 120)
    assert {(word.start, word.end) for word in answer.words} == {(None, None)}
    assert times_of(answer) is TimesOf.NOTHING
    assert len(answer.words) == len(spoken)


@pytest.mark.parametrize(
    ("body", "times"),
    [
        ({"text": "a b"}, TimesOf.NOTHING),
        ({"text": ""}, None),
        ({"segments": []}, None),
        ({"segments": [{"text": "a", "start": 0, "end": 1}]}, TimesOf.SEGMENTS),
        ({"segments": [{"text": "a"}]}, TimesOf.NOTHING),
        ({"chunks": [{"text": "a", "timestamp": [0, None]}]}, TimesOf.SEGMENTS),
        ({"words": [{"word": "a", "start": 0, "end": 1}]}, TimesOf.WORDS),
        ({"words": [{"word": "a", "start": float("nan"), "end": None}]}, TimesOf.NOTHING),
    ],
)
def test_what_an_answer_has_times_of(body: dict[str, Any], times: TimesOf | None) -> None:
    assert times_of(parse_answer(body)) is times


odd_times = st.one_of(
    st.none(),
    st.floats(-50, 200),
    st.floats(),
    st.integers(-(10**12), 10**12),
    st.sampled_from(["", "NaN", "1:2:3", "x", "2s"]),
)
odd_words = st.lists(
    st.fixed_dictionaries(
        {"word": st.sampled_from(["a", " b", "", " ", "c.", "-->"]), "start": odd_times, "end": odd_times}
    ),
    max_size=30,
)


@given(odd_words, st.floats(0.1, 300))
def test_no_odd_time_loses_a_word_or_leaves_the_chunk(spoken: list[dict[str, Any]], duration: float) -> None:
    parsed = parse_answer({"words": spoken})
    answer = on_chunk_clock(parsed, duration)
    assert sorted(word.text for word in answer.words) == sorted(word.text for word in parsed.words)
    found = merge([(ChunkPlace(0, duration), answer)], NOT_ASKED).words
    assert all(0 <= word.start <= word.end <= duration for word in found)


@pytest.fixture(scope="module")
def chunk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A chunk as the optimizer makes them: 16 kHz, mono, 64 kbit/s."""
    folder = tmp_path_factory.mktemp("chunk")
    write_tones(folder / "a.wav", script(125, every=0.9), 125)
    encode = ["-c:a", "libmp3lame", "-b:a", "64k", str(folder / "a.mp3")]
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(folder / "a.wav"), *encode], check=True)
    return (folder / "a.mp3").read_bytes()


@pytest.mark.parametrize("longest", [120, 63, 30, 10])
def test_parts_of_a_chunk_have_each_word_once_at_its_time(chunk: bytes, longest: float) -> None:
    answers = []
    for part in cut_into_parts(chunk, longest):
        heard, seconds = hear(part.data)
        assert seconds <= longest
        spoken = [{"word": f" {word.text}", "start": word.start, "end": word.end} for word in heard]
        answers.append((part.start, part.seconds, {"text": " ".join(word.text for word in heard), "words": spoken}))
    answer = parse_parts(build_parts_body(answers))
    said = script(125, every=0.9)
    assert [word.text for word in answer.words] == [word.text for word in said]
    for word, truth in zip(answer.words, said, strict=True):
        assert word.start == pytest.approx(truth.start, abs=0.02)


def test_what_cannot_be_cut_is_reported(chunk: bytes) -> None:
    for data, seconds in ((b"", 30), (b"RIFF" + bytes(100), 30), (chunk, 0.2)):
        with pytest.raises(Mp3PartsError):
            cut_into_parts(data, seconds)


def test_text_alone_stays_in_its_part() -> None:
    answer = parse_parts(build_parts_body([(0, 30, {"text": "a b"}), (30, 30, {"text": ""}), (60, 30, {"text": "c"})]))
    found = merge([(ChunkPlace(0, 90), answer)], NOT_ASKED).words
    assert [word.text for word in found] == ["a", "b", "c"]
    assert found[1].end <= 30
    assert found[2].start >= 60
    assert times_of(answer) is TimesOf.NOTHING


def test_an_answer_in_seconds_is_not_changed() -> None:
    answer = ChunkAnswer(words=tuple(TimedWord(text, start, end) for text, start, end in SPOKEN))
    assert on_chunk_clock(answer, 120) == answer
