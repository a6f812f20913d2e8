"""A change of speakers is where a sentence ends, and no diarizer's slip takes a piece out of a sentence."""

from itertools import accumulate, groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob_client.transcript.transcript_model import NoSpeaker, Word
from whisperjob_client.transcript.turns import STRAY_SECONDS, STRAY_WORDS, settle_turns


@pytest.mark.parametrize(
    ("text", "heard", "given"),
    [
        pytest.param("In Jersey. And I am Sheila.", "AAABBB", "AABBBB", id="the first word of a sentence"),
        pytest.param("What can I say? Well, no.", "AAABBB", "AAAABB", id="the last word of a sentence"),
        pytest.param("No. Yes. No.", "ABA", "ABA", id="changes at sentences' ends stay"),
        pytest.param("I think that No! you are wrong.", "AAABAAA", "AAABAAA", id="no turn is lost as a whole"),
        pytest.param("one two three four", "AABB", "AABB", id="no sentence ends near"),
        pytest.param("In Jersey. And _ I am Sheila.", "AAA-BBB", "AAABBB", id="a change in a pause stays"),
        pytest.param("It is. a very long way away", "AAAABBB", "AAAABBB", id="a sentence's end far away"),
        pytest.param("We went home so late.", "AAABA", "AAAAA", id="a stray word inside a sentence"),
        pytest.param("We went home so late.", "AABBA", "AAAAA", id="two stray words"),
        pytest.param("So, we all went home.", "BAAAA", "AAAAA", id="a stray word at a sentence's beginning"),
        pytest.param("We all went so late. We did.", "AAABBAA", "AAAAAAA", id="stray words at a sentence's end"),
        pytest.param("We went _ yes _ home so late.", "AA-B-AAA", "AABAAA", id="a word between two pauses stays"),
        pytest.param("We went home. Yes! So late.", "AAABAA", "AAABAA", id="a sentence of its own stays"),
        pytest.param("So what can I do? Nothing.", "AAABBA", "AAAAAA", id="the English I begins no sentence"),
        pytest.param("We went yes and so home late.", "AABBBAA", "AABBBAA", id="three words are a turn"),
        pytest.param("yes we went home", "BAAA", "BAAA", id="without a full stop nothing is known"),
        pytest.param("It is so. Now you speak.", "AAAB-B", "AAABBB", id="a word of nobody inside a sentence"),
        pytest.param("It is so. Now you speak.", "AAABB-", "AAABBB", id="a sentence's last word is never nobody's"),
        pytest.param("It is so. Now _ _ _ _ _ _ _ speak.", "AAAB--------", "AAABB", id="not even after a pause"),
        pytest.param("It is so. Now you speak.", "AAA-BB", "AAABBB", id="nor is its first word"),
        pytest.param("It is so. Thank you all.", "AAA---", "AAA---", id="a sentence that nobody was heard in"),
        pytest.param("and so on", "AA-", "AA-", id="an unfinished sentence's last word"),
    ],
)
def test_a_sentence_belongs_to_its_speaker(text: str, heard: str, given: str) -> None:
    said = [
        Word(i * 0.3, i * 0.3 + 0.25, word, who.strip("-") or None, None if who != "-" else NoSpeaker.NOBODY_HEARD)
        for i, (word, who) in enumerate(zip(text.split(), heard.ljust(len(text.split()), "-"), strict=True))
        if word != "_"
    ]
    settled = settle_turns(said)
    assert "".join(word.speaker or "-" for word in settled) == given
    assert all((word.speaker is None) == (word.no_speaker is not None) for word in settled)


def test_a_short_turn_of_which_one_word_was_found_is_no_stray() -> None:
    times = [(0, 0.4, "You", "A"), (0.4, 0.8, "know.", "A"), (0.84, 1.38, "Neither", "B"), (1.38, 1.65, "did", "A")]
    times += [(1.65, 1.78, "I.", "A"), (1.78, 2.0, "Okay,", "A"), (2.0, 2.3, "then.", "A")]
    said = [Word(start, end, text, speaker) for start, end, text, speaker in times]
    assert "".join(word.speaker or "-" for word in settle_turns(said)) == "AABBBAA"


def test_a_long_word_is_no_stray() -> None:
    said = [
        Word(0, 0.5, "We", "A"),
        Word(0.5, 1.5, "went", "B"),
        Word(1.5, 2.5, "right", "A"),
        Word(2.5, 3, "on.", "A"),
    ]
    assert "".join(word.speaker or "-" for word in settle_turns(said)) == "ABAA"


def test_a_word_without_a_length_is_no_pause() -> None:
    """Whisper gives a word no length now and then. What seems a pause behind it may be the word itself."""
    said = [
        Word(0, 0.3, "In", "A"),
        Word(0.3, 0.6, "Jersey.", "A"),
        Word(0.7, 0.7, "And", "A"),
        Word(1.05, 1.3, "I", "B"),
    ]
    said += [Word(1.3, 1.5, "am", "B"), Word(1.5, 1.9, "late.", "B")]
    assert "".join(word.speaker or "-" for word in settle_turns(said)) == "AABBBB"


@given(
    st.lists(st.tuples(st.sampled_from(["so", "so.", "so?"]), st.sampled_from(["A", "B", "C", None]), st.floats(0, 1)))
)
def test_no_word_is_lost_and_no_turn_that_is_longer_than_a_stray(parts: list[tuple[str, str | None, float]]) -> None:
    starts = list(accumulate((length for *_, length in parts), initial=0.0))
    said = [
        Word(starts[i], starts[i + 1], text, who, None if who else NoSpeaker.NOBODY_HEARD)
        for i, (text, who, _) in enumerate(parts)
    ]
    settled = settle_turns(said)
    assert [(w.start, w.end, w.text) for w in settled] == [(w.start, w.end, w.text) for w in said]
    at = 0
    for speaker, group in groupby(said, key=lambda word: word.speaker):
        turn = list(group)
        if speaker and len(turn) > STRAY_WORDS + 1 and turn[-1].end - turn[0].start > 3 * STRAY_SECONDS:
            assert speaker in {word.speaker for word in settled[at : at + len(turn)]}
        at += len(turn)


@given(st.lists(st.tuples(st.sampled_from(["so", "so."]), st.sampled_from(["A", "B", None])), min_size=1))
def test_a_sentence_with_a_speaker_has_no_word_of_nobody(parts: list[tuple[str, str | None]]) -> None:
    said = [Word(i * 0.3, i * 0.3 + 0.2, text, who, None) for i, (text, who) in enumerate(parts)]
    begin = 0
    for index, word in enumerate(settle_turns(said)):
        if word.text == "so.":
            sentence = settle_turns(said)[begin : index + 1]
            if any(w.speaker for w in said[begin : index + 1]):
                assert None not in {w.speaker for w in sentence}
            begin = index + 1
