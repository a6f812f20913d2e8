"""One transcript of channels: every word is its channel's, and crosstalk is there once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob_client.transcript.channels import merge_channels, speaker_of
from whisperjob_client.transcript.transcript_model import NoSpeaker, Speakers, SpeakerSegment, Transcript, Word

Spoken = tuple[float, str]


def transcript(*spoken: Spoken) -> Transcript:
    """Words of 0.3 s."""
    return Transcript(tuple(Word(start, start + 0.3, text) for start, text in spoken), 60.0, "en")


def louder(*turns: tuple[float, float, int]) -> Speakers:
    return Speakers(tuple(SpeakerSegment(start, end, speaker_of(channel)) for start, end, channel in turns))


CASES = {
    "one after the other": (
        [(0.0, "Hello?"), (4.0, "Fine.")],
        [(2.0, "How"), (2.4, "are"), (2.8, "you?")],
        louder((0, 1, 0), (2, 3.2, 1), (4, 5, 0)),
        "0:Hello? 1:How 1:are 1:you? 0:Fine.",
    ),
    "crosstalk on the second channel": (
        [(0.0, "Hello?"), (0.4, "Anna")],
        [(0.1, "hello"), (0.5, "Anna."), (2.0, "Yes.")],
        louder((0, 1, 0), (2, 3, 1)),
        "0:Hello? 0:Anna 1:Yes.",
    ),
    "crosstalk that is timed before the word": (
        [(0.0, "Hello?"), (1.9, "yes")],
        [(2.0, "Yes.")],
        louder((0, 1, 0), (1.9, 3, 1)),
        "0:Hello? 1:Yes.",
    ),
    "both say it, one after the other": (
        [(0.0, "Bye.")],
        [(0.4, "Bye.")],
        louder((0, 0.35, 0), (0.35, 1, 1)),
        "0:Bye. 1:Bye.",
    ),
    "the same word later": ([(0.0, "Yes.")], [(0.6, "Yes.")], louder((0, 2, 0)), "0:Yes. 1:Yes."),
    "other words at once": ([(0.0, "Yes.")], [(0.1, "No.")], louder((0, 2, 0)), "0:Yes. 1:No."),
    "punctuation alone is no word": ([(0.0, "–")], [(0.1, "–")], louder((0, 2, 0)), "0:– 1:–"),
    "said twice by one": ([(0.0, "no"), (0.3, "no")], [(0.1, "no")], louder((0, 2, 0)), "0:no 0:no"),
    "nobody knows who is louder": ([(0.0, "Yes.")], [(0.1, "Yes.")], Speakers.unknown(NoSpeaker.FAILED), "0:Yes."),
    "one channel is silent": ([(0.0, "Yes.")], [], louder((0, 2, 0)), "0:Yes."),
}


@pytest.mark.parametrize(("first", "second", "speakers", "expected"), CASES.values(), ids=CASES)
def test_words_belong_to_their_channel(
    first: list[Spoken], second: list[Spoken], speakers: Speakers, expected: str
) -> None:
    merged = merge_channels({0: transcript(*first), 1: transcript(*second)}, speakers)
    assert " ".join(f"{int((word.speaker or '')[-2:])}:{word.text}" for word in merged.words) == expected
    assert all(word.no_speaker is None for word in merged.words)


def test_channels_have_names() -> None:
    merged = merge_channels({0: transcript(), 1: transcript((0, "Hello?"))}, louder(), {"CHANNEL_01": "Anna"})
    assert (merged.label("CHANNEL_01"), merged.label("CHANNEL_00")) == ("Anna", "Channel 1")
    assert (merged.duration, merged.language) == (60.0, "en")


words = st.lists(st.tuples(st.floats(0, 50), st.sampled_from(["yes", "no", "well", "–"])), max_size=12)


@given(words, words, st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50), st.integers(0, 1)), max_size=4))
def test_the_order_of_time_holds(
    first: list[Spoken], second: list[Spoken], turns: list[tuple[float, float, int]]
) -> None:
    apart = {n: transcript(*sorted(spoken)) for n, spoken in enumerate((first, second))}
    merged = merge_channels(apart, louder(*turns))
    for before, after in pairwise(merged.words):
        assert before.start <= before.end <= after.start
    for channel in (0, 1):
        said = [word.text for word in apart[channel].words]
        left = [word.text for word in merged.words if word.speaker == speaker_of(channel)]
        assert len(left) <= len(said)
