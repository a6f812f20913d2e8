"""Words that were never said: they are marked, and left out where nobody was heard. Words that were said stay."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob_client.transcript.loops import repeated_words
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
from whisperjob_client.transcription.notes import describe_skipped, describe_words
from whisperjob_client.transcription.options import DROPPED, DoubtfulWords

NOT_ASKED = Speakers.unknown(NoSpeaker.NOT_ASKED)
NOBODY = Speakers()
SOMEBODY = Speakers((SpeakerSegment(0, 10, "SPEAKER_00"),))


def transcript_of(text: str, speakers: Speakers = NOT_ASKED, **marks: float) -> Transcript:
    """One segment, from 1 s to 9 s."""
    body: dict[str, Any] = {"segments": [{"text": f" {text}", "start": 1, "end": 9, **marks}]}
    return merge([(ChunkPlace(0, 10), parse_answer(body))], speakers)


@pytest.mark.parametrize(
    ("marks", "doubt"),
    [
        ({"no_speech_prob": 0.9, "avg_logprob": -1.4}, Doubt.SILENCE),
        ({"no_speech_prob": 0.9, "avg_logprob": -0.3}, None),
        ({"no_speech_prob": 0.1, "avg_logprob": -1.4}, None),
        ({"no_speech_prob": 0.9}, Doubt.SILENCE),
        ({"no_speech_prob": 0.1, "compression_ratio": 3.1}, None),
        ({}, None),
    ],
)
def test_text_made_up_in_silence_is_marked(marks: dict[str, float], doubt: Doubt | None) -> None:
    said = {"text": "Thank you.", "start": 1, "end": 2}
    bare = [{"word": "Thank", "start": 1, "end": 1.4}, {"word": "you", "start": 1.5, "end": 2}]
    for body in ({"segments": [said | marks]}, {"segments": [said | marks], "words": bare}):
        words = merge([(ChunkPlace(0, 10), parse_answer(body))], NOT_ASKED).words
        assert [word.doubt for word in words] == [doubt, doubt]


@pytest.mark.parametrize(
    "text",
    [
        "you",
        "Thank you.",
        "Thanks for watching!",
        "Subtitles by the community",
        "ご視聴ありがとうございました",
        "Any words.",
    ],
)
@pytest.mark.parametrize("marks", [{"no_speech_prob": 0.7}, {"avg_logprob": -1.2}, {"compression_ratio": 2.6}])
def test_where_nobody_was_heard_doubtful_words_are_left_out(text: str, marks: dict[str, float]) -> None:
    """Whatever they are: a recogniser's usual inventions are words that people say, too."""
    dropped = DROPPED[DoubtfulWords.DROP_UNHEARD]
    assert transcript_of(text, NOBODY, **marks).without(dropped).words == ()
    assert len(transcript_of(text, NOBODY, **marks).without(DROPPED[DoubtfulWords.KEEP]).words) > 0
    for speakers in (SOMEBODY, NOT_ASKED, Speakers.unknown(NoSpeaker.FAILED)):
        heard = transcript_of(text, speakers, **marks)
        assert heard.without(dropped) == heard
    certain = transcript_of(text, NOBODY, no_speech_prob=0.1, avg_logprob=-0.2, compression_ratio=1.1)
    assert certain.without(dropped) == certain


def marked(text: str) -> str:
    """Returns the words in brackets that are taken for a loop."""
    words = text.split()
    found = repeated_words(words)
    return " ".join(f"[{word}]" if index in found else word for index, word in enumerate(words))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("so no no no no no, we stay", "so no no no no no, we stay", id="people repeat themselves"),
        pytest.param("you know, you know, you know", "you know, you know, you know", id="three times is no loop"),
        pytest.param(
            "and then I see. I see. I see. I see. I see. We go on",
            "and then I see. [I] [see.] [I] [see.] [I] [see.] [I] [see.] We go on",
            id="all but the first",
        ),
        pytest.param("la la la la la la la la end", "la [la] [la] [la] [la] [la] [la] [la] end", id="one word"),
        pytest.param(
            "Thank you very much. Thank you very MUCH! Thank you very much. Thank you very much. Thank",
            "Thank you very much. " + "[Thank] [you] [very] [MUCH!] " + "[Thank] [you] [very] [much.] " * 2 + "[Thank]",
            id="whatever the punctuation, and the beginning of one more",
        ),
        pytest.param("one two three four five six seven eight", "one two three four five six seven eight", id="none"),
        pytest.param("は い は い は い は い", "は い は い は い は い", id="said four times in Japanese"),
    ],
)
def test_only_the_repeated_words_are_a_loop(text: str, expected: str) -> None:
    assert marked(text) == expected


def test_a_window_with_a_loop_keeps_its_other_words() -> None:
    """A high compression ratio marks a window of half a minute. Most of its words may be right."""
    right = " ".join(f"word{number}" for number in range(150))
    transcript = transcript_of(f"{right} {'and so on ' * 9}", compression_ratio=3.4)
    assert sum(word.doubt is Doubt.REPETITION for word in transcript.words) == 8 * 3
    assert {word.doubt for word in transcript.words[:153]} == {None}


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_a_loops_words_repeat_what_is_before_them(texts: list[str]) -> None:
    for index in repeated_words(texts):
        assert any(texts[index] == texts[index - length] for length in range(1, index + 1))


@pytest.mark.parametrize(
    ("speakers", "marks", "notes"),
    [
        (SOMEBODY, {}, []),
        (NOBODY, {}, ["No word has a speaker: at the words' times, the diarizer heard nobody."]),
        (
            NOBODY,
            {"avg_logprob": -1.2},
            [
                "2 words were left out: nobody was heard there, and the recogniser was not sure "
                "(--keep-doubtful keeps them).",
                "Nobody speaks in this recording: the transcript is empty.",
            ],
        ),
        (
            SOMEBODY,
            {"no_speech_prob": 0.9},
            ["2 words were probably made up in silence or by repetition; JSON marks them."],
        ),
    ],
)
def test_the_owner_reads_what_happened_to_the_words(
    speakers: Speakers, marks: dict[str, float], notes: list[str]
) -> None:
    merged = transcript_of("Thank you.", speakers, **marks)
    assert describe_words(merged, merged.without(DROPPED[DoubtfulWords.DROP_UNHEARD])) == notes


def test_the_owner_reads_which_chunks_were_not_sent() -> None:
    assert describe_skipped(2, 5) == "Of 5 chunks, 2 chunks are silent and were not sent to the speech recogniser."
    assert describe_skipped(1, 5) == "Of 5 chunks, 1 chunk is silent and was not sent to the speech recogniser."
    assert describe_skipped(2, 2) == "Nothing was sent to the speech recogniser, because nothing can be heard."
