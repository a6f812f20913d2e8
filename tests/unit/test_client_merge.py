"""The merge has every word once, in order and in its chunk, whatever a recogniser answers."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob_client.transcript.matching import matches
from whisperjob_client.transcript.merge import merge
from whisperjob_client.transcript.recogniser_answers import (
    AnswerShapeError,
    ChunkAnswer,
    Segment,
    TimedWord,
    parse_answer,
)
from whisperjob_client.transcript.spelling import joined, letters, tokens
from whisperjob_client.transcript.transcript_model import (
    ChunkPlace,
    Doubt,
    NoSpeaker,
    Speakers,
    SpeakerSegment,
    Transcript,
    Word,
)

NOT_ASKED = Speakers.unknown(NoSpeaker.NOT_ASKED)

times = st.one_of(st.none(), st.floats(-5, 70, allow_nan=False))
spoken = st.text(st.sampled_from("abcdefgäßéñ日本語กขไ09'-,.?!"), min_size=1, max_size=9).filter(
    lambda t: bool(letters(t))
)
spoken_words = spoken.map(lambda t: tokens(t)[0].text)
sentences = st.lists(spoken, max_size=8).map(" ".join)
timed_words = st.builds(TimedWord, spoken_words, times, times, st.none())
segments = st.builds(Segment, sentences, times, times, st.sampled_from([None, *Doubt]))
answers = st.builds(
    ChunkAnswer,
    sentences,
    st.sampled_from([None, "english", "ja"]),
    st.lists(segments, max_size=4).map(tuple),
    st.lists(timed_words, max_size=12).map(tuple),
)


@st.composite
def recordings(draw: st.DrawFn) -> list[tuple[ChunkPlace, ChunkAnswer]]:
    """Chunks that lie end to end, as a manifest has them: in samples at 16 kHz, shown to the microsecond."""
    lengths = draw(st.lists(st.integers(1, 60 * 16_000), max_size=4))
    start, found = 0, []
    for samples in lengths:
        found.append((ChunkPlace(round(start / 16_000, 6), round(samples / 16_000, 6)), draw(answers)))
        start += samples
    return found


speaker_segments = st.lists(
    st.builds(
        lambda start, length, who: SpeakerSegment(start, start + length, f"SPEAKER_{who:02d}"),
        st.floats(0, 200),
        st.floats(0, 20),
        st.integers(0, 3),
    ),
    max_size=8,
)


def texts(transcript: Transcript) -> list[str]:
    return [word.text for word in transcript.words]


@given(recordings(), speaker_segments)
def test_times_never_go_back_and_stay_in_the_recording(
    chunks: list[tuple[ChunkPlace, ChunkAnswer]], segments: list[SpeakerSegment]
) -> None:
    transcript = merge(chunks, Speakers(tuple(segments)))
    latest = 0.0
    for word in transcript.words:
        assert latest <= word.start <= word.end <= transcript.duration
        latest = word.end
        assert (word.speaker is None) != (word.no_speaker is None)
        assert word.text == word.text.strip() != ""


@given(recordings())
def test_every_word_stays_in_its_chunk(chunks: list[tuple[ChunkPlace, ChunkAnswer]]) -> None:
    whole = iter(merge(chunks, NOT_ASKED).words)
    for place, answer in chunks:
        for alone in merge([(ChunkPlace(0, place.duration), answer)], NOT_ASKED).words:
            word = next(whole)
            assert word.text == alone.text
            assert place.start <= word.start <= word.end <= place.end + 1e-9
    assert next(whole, None) is None


@given(st.lists(timed_words, max_size=20), st.floats(0, 60))
def test_words_alone_stay_as_they_are(words: list[TimedWord], duration: float) -> None:
    transcript = merge([(ChunkPlace(0, duration), ChunkAnswer(words=tuple(words)))], NOT_ASKED)
    assert texts(transcript) == [word.text for word in words]


@given(st.lists(segments, max_size=5), st.floats(0, 60))
def test_segments_alone_give_their_text_spread(parts: list[Segment], duration: float) -> None:
    transcript = merge([(ChunkPlace(0, duration), ChunkAnswer(segments=tuple(parts)))], NOT_ASKED)
    assert texts(transcript) == [token.text for part in parts for token in tokens(part.text)]


@given(st.lists(spoken_words, max_size=20), st.data())
def test_words_and_segments_of_the_same_speech_are_one(said: list[str], data: st.DataObject) -> None:
    """Bare words beside punctuated segments: the text is the segments', each word once, whatever times are missing."""
    words = tuple(TimedWord(letters(w), data.draw(times), data.draw(times)) for w in said)
    cut = data.draw(st.integers(0, len(said)))
    parts = tuple(Segment(" ".join(part), None, None) for part in (said[:cut], said[cut:]) if part)
    transcript = merge([(ChunkPlace(3, 60), ChunkAnswer(segments=parts, words=words))], NOT_ASKED)
    assert "".join(map(letters, texts(transcript))) == "".join(map(letters, said))


@given(st.lists(spoken, min_size=1, max_size=12), st.sets(st.integers(0, 11)))
def test_words_missing_from_the_list_come_from_the_text(said: list[str], lost: set[int]) -> None:
    text = [word.text for word in tokens(" ".join(said))]
    words = tuple(TimedWord(w, i, i + 0.5) for i, w in enumerate(text) if i not in lost)
    answer = ChunkAnswer(segments=(Segment(" ".join(said), 0, 60),), words=words)
    merged = merge([(ChunkPlace(0, 60), answer)], NOT_ASKED)
    assert "".join(texts(merged)) == "".join(text)
    assert joined(merged.words) == " ".join(said)


@given(st.lists(st.sampled_from("ab"), max_size=12), st.lists(st.sampled_from("ab"), max_size=12), st.data())
def test_a_list_with_gaps_is_found_whole_in_the_full_one(
    full: list[str], other: list[str], data: st.DataObject
) -> None:
    gaps = data.draw(st.sets(st.integers(0, 11)))
    some = [entry for index, entry in enumerate(full) if index not in gaps]
    assert len(matches(full, some)) == len(matches(some, full)) == len(some)
    for pairs in (matches(full, other), matches(full, some)):
        assert all(a < c and b < d for (a, b), (c, d) in pairwise(pairs))
    assert all(full[a] == other[b] for a, b in matches(full, other))


@given(st.text(max_size=60))
def test_text_survives_being_cut_into_words(text: str) -> None:
    pieces = tokens(text)
    assert "".join(joined(pieces).split()) == "".join(text.split())
    assert joined(tokens(joined(pieces))) == joined(pieces)


def answer(**body: Any) -> ChunkAnswer:
    return parse_answer(body)


def words_of(chunk: ChunkAnswer, duration: float = 10, speakers: Speakers = NOT_ASKED) -> list[Word]:
    return list(merge([(ChunkPlace(0, duration), chunk)], speakers).words)


def test_a_later_chunk_stands_where_its_samples_begin() -> None:
    first = answer(text="one", words=[{"word": "one", "start": 0.5, "end": 1.0}])
    second = answer(text="two", words=[{"word": "two", "start": 0.25, "end": 0.75}])
    merged = merge([(ChunkPlace(1800.5, 30), second), (ChunkPlace(0, 1800.5), first)], NOT_ASKED)
    assert [(w.text, w.start, w.end) for w in merged.words] == [("one", 0.5, 1.0), ("two", 1800.75, 1801.25)]


def test_times_past_a_chunks_end_are_held_at_its_seam() -> None:
    late = answer(words=[{"word": "late", "start": 29.9, "end": 33.0}, {"word": "later", "start": 31, "end": 34}])
    early = answer(words=[{"word": "next", "start": 0, "end": 0.4}])
    merged = merge([(ChunkPlace(0, 30), late), (ChunkPlace(30, 30), early)], NOT_ASKED)
    assert [(w.text, w.start, w.end) for w in merged.words] == [
        ("late", 29.9, 30),
        ("later", 30, 30),
        ("next", 30, 30.4),
    ]


def test_chunks_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        merge([(ChunkPlace(0, 30), ChunkAnswer()), (ChunkPlace(29, 30), ChunkAnswer())], NOT_ASKED)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            {
                "text": " Hello there.",
                "segments": [{"text": " Hello there.", "start": 0, "end": 2}],
                "words": [{"word": "Hello", "start": 0.1, "end": 0.5}, {"word": "there", "start": 0.6, "end": 1.0}],
            },
            [("Hello", 0.1, 0.5), ("there.", 0.6, 1.0)],
            id="groq: bare words, punctuated segments",
        ),
        pytest.param(
            {
                "segments": [
                    {
                        "text": " Hello there.",
                        "start": 0,
                        "end": 2,
                        "words": [
                            {"word": " Hello", "start": 0.1, "end": 0.5, "probability": 0.9},
                            {"word": " there.", "start": 0.6, "end": 1.0, "probability": 0.9},
                        ],
                    }
                ],
                "words": None,
            },
            [("Hello", 0.1, 0.5), ("there.", 0.6, 1.0)],
            id="faster-whisper: words inside segments",
        ),
        pytest.param(
            {
                "segments": [
                    {
                        "text": " Hello there.",
                        "words": [
                            {"word": "[_BEG_]", "start": 0, "end": 0},
                            {"word": " Hel", "start": 0.1, "end": 0.3},
                            {"word": "lo", "start": 0.3, "end": 0.5},
                            {"word": " there", "start": 0.6, "end": 0.9},
                            {"word": ".", "start": 0.9, "end": 1.0},
                        ],
                    }
                ]
            },
            [("Hello", 0.1, 0.5), ("there.", 0.6, 1.0)],
            id="whisper.cpp: parts of words, control tokens",
        ),
        pytest.param(
            {"text": "Hello there.", "segments": [{"text": "Hello there.", "start": "0.0", "end": "2.6"}], "words": []},
            [("Hello", 0.0, 1.2), ("there.", 1.2, 2.6)],
            id="segments only: spread by length",
        ),
        pytest.param({"text": "Hello there."}, [("Hello", 0.0, 4.615), ("there.", 4.615, 10.0)], id="text only"),
        pytest.param({"text": "", "segments": [], "words": []}, [], id="an empty chunk"),
        pytest.param({"text": "", "words": [{"word": "♪", "start": 1, "end": 2}]}, [("♪", 1, 2)], id="a sign alone"),
        pytest.param(
            {
                "segments": [{"text": " Dear friends, hello.", "start": 0, "end": 9}],
                "words": [
                    {"word": "De", "start": 0, "end": 0.5},
                    {"word": "ar", "start": 0.5, "end": 1},
                    {"word": "friends", "start": 1, "end": 2},
                    {"word": "hel", "start": 4, "end": 4.5},
                    {"word": "lo", "start": 4.5, "end": 5},
                ],
            },
            [("Dear", 0, 1), ("friends,", 1, 2), ("hello.", 4, 5)],
            id="parts of words without spaces, beside the text",
        ),
        pytest.param(
            {
                "words": [
                    {"word": "a", "start": 1, "end": 1.5},
                    {"word": "b"},
                    {"word": "c", "start": 2.5, "end": 3},
                ]
            },
            [("a", 1, 1.5), ("b", 1.5, 2.5), ("c", 2.5, 3)],
            id="whisperx: a word without times",
        ),
        pytest.param(
            {
                "words": [
                    {"word": "a", "start": 1, "end": 1.5},
                    {"word": "b", "start": 9.9, "end": 10},
                    {"word": "c", "start": 2, "end": 2.5},
                    {"word": "d", "start": 3, "end": 3.5},
                ]
            },
            [("a", 1, 1.5), ("b", 1.5, 2), ("c", 2, 2.5), ("d", 3, 3.5)],
            id="one wrong time does not move the others",
        ),
        pytest.param(
            {
                "text": "今日は晴れ。",
                "segments": [{"text": "今日は晴れ。", "start": 0, "end": 3}],
                "words": [
                    {"word": "今日", "start": 0, "end": 1},
                    {"word": "は", "start": 1, "end": 1.5},
                    {"word": "晴れ", "start": 2, "end": 3},
                ],
            },
            [("今", 0, 0.5), ("日", 0.5, 1), ("は", 1, 1.5), ("晴", 2, 2.5), ("れ。", 2.5, 3)],
            id="a script without spaces",
        ),
        pytest.param(
            {
                "segments": [{"text": "It costs twenty-five — really.", "start": 0, "end": 4}],
                "words": [
                    {"word": "It", "start": 0, "end": 0.2},
                    {"word": "costs", "start": 0.2, "end": 0.6},
                    {"word": "twenty", "start": 1, "end": 1.5},
                    {"word": "five", "start": 1.5, "end": 2},
                    {"word": "really", "start": 3, "end": 3.5},
                ],
            },
            [("It", 0, 0.2), ("costs", 0.2, 0.6), ("twenty-five —", 1, 2), ("really.", 3, 3.5)],
            id="two words that the text writes as one",
        ),
    ],
)
def test_answers_of_recognisers(body: dict[str, Any], expected: list[tuple[str, float, float]]) -> None:
    found = [(w.text, round(w.start, 3), round(w.end, 3)) for w in words_of(parse_answer(body))]
    assert found == expected


@pytest.mark.parametrize("body", [None, [], "text", {}, {"error": {"message": "no"}}])
def test_what_is_no_transcription_is_refused(body: object) -> None:
    with pytest.raises(AnswerShapeError):
        parse_answer(body)


def spoken_at(start: float, end: float, *segments: tuple[float, float, str]) -> Word:
    speakers = Speakers(tuple(SpeakerSegment(*segment) for segment in segments))
    [word] = words_of(answer(words=[{"word": "yes", "start": start, "end": end}]), 100, speakers)
    return word


@pytest.mark.parametrize(
    ("start", "end", "segments", "speaker"),
    [
        pytest.param(1, 2, [(0, 5, "A")], "A", id="inside"),
        pytest.param(4.5, 5.4, [(0, 5, "A"), (5, 9, "B")], "A", id="over a change: the one who speaks most of it"),
        pytest.param(5.2, 5.3, [(0, 5, "A"), (7, 9, "B")], "A", id="in a gap: the nearest"),
        pytest.param(6, 6, [(0, 5, "A"), (5.5, 9, "B")], "B", id="without a length"),
        pytest.param(5.6, 6.4, [(0, 5, "A"), (7, 9, "B")], None, id="out of reach of both"),
        pytest.param(2, 3, [(0, 10, "A"), (1, 4, "B")], "A", id="two at once: the one who began first"),
        pytest.param(2, 3, [(0, 2.2, "A"), (2.1, 4, "B")], "B", id="two at once for a moment"),
        pytest.param(50, 51, [(0, 100, "A"), (1, 2, "B"), (3, 4, "B")], "A", id="a long segment begun long ago"),
    ],
)
def test_speaker_of_a_word(
    start: float, end: float, segments: list[tuple[float, float, str]], speaker: str | None
) -> None:
    word = spoken_at(start, end, *segments)
    assert word.speaker == speaker
    assert word.no_speaker is (None if speaker else NoSpeaker.NOBODY_HEARD)


def test_language_is_that_of_most_of_the_recording() -> None:
    chunks = [
        (ChunkPlace(0, 600), answer(text="a", language="en")),
        (ChunkPlace(600, 20), answer(text="b", language="cy")),
        (ChunkPlace(620, 2000), answer(text="", language="nn")),
    ]
    assert merge(chunks, NOT_ASKED).language == "en"
