"""Subtitles can be read: long enough, apart, in two lines, and cut where a reader does not stumble."""

import random
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.subtitles import count, labels_of, read_srt
from whisperjob_client.transcript.cue_breaks import CUE_COLUMNS
from whisperjob_client.transcript.cue_times import GAP_MS, MAX_MS, MIN_MS
from whisperjob_client.transcript.cues import cues
from whisperjob_client.transcript.paragraphs import paragraphs
from whisperjob_client.transcript.spelling import columns, letters, sentence_ends_between
from whisperjob_client.transcript.transcript_model import Transcript, Word
from whisperjob_client.transcript.writers import Format, write

texts = st.text(st.sampled_from("abcdäßéñ日本語กขไน้ำ한국ーっ、。09'-,.?! "), min_size=1, max_size=60)
names = st.sampled_from(["A", "SPEAKER_01", None])


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    words: list[Word] = []
    at = 0.0
    for text, speaker, pause, length in draw(
        st.lists(st.tuples(texts, names, st.sampled_from([0, 0, 0.1, 3]), st.sampled_from([0, 0.2, 0.5, 9])))
    ):
        words.append(Word(at + pause, at + pause + length, text, speaker, gap=draw(st.sampled_from([" ", " ", ""]))))
        at += pause + length
    label = draw(st.text(max_size=50))
    return Transcript(
        tuple(words), at + draw(st.sampled_from([0, 0.5, 60])), draw(st.sampled_from([None, "en", "ja"])), {"A": label}
    )


@given(transcripts())
@settings(max_examples=200)
def test_cues_can_be_shown(transcript: Transcript) -> None:
    found = cues(transcript)
    for cue in found:
        assert MIN_MS <= cue.end_ms - cue.start_ms <= MAX_MS
        assert cue.start_ms >= 0
        for lines in (cue.lines, cue.labelled_lines):
            assert 1 <= len(lines) <= 2
            assert all(line == line.strip() != "" and columns(line) <= CUE_COLUMNS for line in lines)
    for before, after in pairwise(found):
        assert after.start_ms - before.end_ms >= GAP_MS
    shown = "".join("".join("".join(cue.lines).split()) for cue in found)
    read = "".join("".join(paragraph.text.split()) for paragraph in paragraphs(transcript))
    assert shown == read == "".join("".join(word.text.split()) for word in transcript.words)


SHORT_WORDS = "a an the of in to for on at by from with and but so that which because if when"
LONG_WORDS = "boat boats harbour wind sail sailing rope captain weather morning island reaches leaves slowly often old"


def hour_of_speech(seed: int) -> Transcript:
    """An hour of sentences, half of whose words are short ones that bind; two people take turns, with pauses."""
    chance = random.Random(seed)
    short, long = SHORT_WORDS.split(), LONG_WORDS.split()
    words: list[Word] = []
    at = 0.0
    while at < 3600:
        speaker = chance.choice(["SPEAKER_00", "SPEAKER_01"])
        for _ in range(chance.randint(1, 4)):
            length = chance.choice([1, 2, 3, 8, 14, 22, 30])
            said = [chance.choice(short if place % 2 else long) for place in range(length)]
            said[-1] = chance.choice(long) + chance.choice(".?!")
            for text in said:
                comma = "," if text in long and chance.random() < 0.15 else ""
                spoken = 0.12 + 0.05 * len(text)
                words.append(Word(at, at + chance.choice([spoken, spoken, 0.0]), text + comma, speaker, None))
                at += spoken + chance.choice([0, 0, 0, 0.05, 0.4])
            at += chance.choice([0, 0.3, 1.0, 2.5])
    return Transcript(tuple(words), at, "en")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_hour_of_subtitles_reads_well(seed: int) -> None:
    transcript = hour_of_speech(seed)
    counted = count(read_srt(write(transcript, Format.SRT), labels_of(transcript)))
    assert counted.pop("cues") > 500
    assert counted.pop("end with a sentence") > 300
    assert counted.pop("end on an article or a preposition") <= 20
    counted.pop("need more than 17 characters a second")  # as fast as the people speak
    assert set(counted.values()) == {0}, counted


def timed(text: str, *, seconds: float = 0.3, language: str | None = "en") -> Transcript:
    """Words of equal length, one after the other; `_` is a pause of one second."""
    words, at = [], 0.0
    for word in text.split():
        if word == "_":
            at += 1.0
            continue
        words.append(Word(at, at + seconds, word))
        at += seconds
    return Transcript(tuple(words), at + 60, language)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        pytest.param(
            "en",
            "We went down to the old harbour in the morning and looked for a boat to the island of the white birds.",
            [
                "We went down to the old harbour in the morning",
                "and looked for a boat to the island of the white birds.",
            ],
            id="before a conjunction",
        ),
        pytest.param(
            "de",
            "Wir gingen am frühen Morgen hinunter zum Hafen, weil der Kapitän uns auf seinem Schiff mitnehmen wollte.",
            [
                "Wir gingen am frühen Morgen hinunter zum Hafen,",
                "weil der Kapitän uns auf seinem Schiff mitnehmen wollte.",
            ],
            id="at a comma",
        ),
        pytest.param(
            "fr",
            "Nous avons traversé la ville à pied dans la nuit froide pour arriver enfin devant la porte de la maison.",
            None,
            id="French",
        ),
        pytest.param(
            "es",
            "Fuimos por la mañana hasta el puerto viejo de la ciudad para buscar un barco con el capitán del norte.",
            None,
            id="Spanish",
        ),
    ],
)
def test_a_long_sentence_is_cut_where_the_language_allows(language: str, text: str, expected: list[str] | None) -> None:
    found = [cue.text for cue in cues(timed(text, language=language))]
    assert " ".join(found) == text
    if expected is not None:
        assert found == expected
    ends = {letters(cue.split()[-1]) for cue in found[:-1]}
    bound = {"the", "of", "in", "a", "to", "der", "auf", "am", "la", "à", "dans", "de", "por", "el", "un", "con", "del"}
    assert len(found) > 1
    assert not ends & bound


def test_a_short_cue_stays_long_enough_to_be_read() -> None:
    (cue,) = cues(timed("Yes."))
    assert (cue.start_ms, cue.end_ms) == (0, 1000)


def test_a_cue_at_the_recordings_end_is_shown_before_it() -> None:
    (cue,) = cues(Transcript((Word(10, 10, "Bye."),), 10))
    assert (cue.start_ms, cue.end_ms) == (10_000 - MIN_MS, 10_000)


def test_a_cue_stays_into_the_pause_as_long_as_reading_takes() -> None:
    first, _ = cues(
        timed("Antidisestablishmentarianism notwithstanding incomprehensibilities. _ _ _ _ So.", seconds=0.2)
    )
    assert first.end_ms - first.start_ms >= 1000 * columns(first.text) / 17


def spoken(*turns: tuple[float, str, str]) -> Transcript:
    """Turns with the time of their first word, a quarter of a second for each word."""
    words = [
        Word(begin + n * 0.25, begin + n * 0.25 + 0.25, text, speaker, None)
        for begin, speaker, said in turns
        for n, text in enumerate(said.split())
    ]
    return Transcript(tuple(words), 60, "en", {"A": "Anna", "B": "Ben"})


def test_two_short_turns_in_a_row_share_a_cue() -> None:
    transcript = spoken((2, "A", "Is it so?"), (7, "A", "Yes?"), (7.4, "B", "No."), (10, "A", "Oh."), (12, "B", "So."))
    first, pair, third, last = cues(transcript)
    assert pair.labelled_lines == ("Anna: Yes?", "Ben: No.")
    assert pair.lines == ("Yes?", "No.")
    assert (pair.start_ms, pair.end_ms) == (7000, 8000)
    assert [cue.labelled_lines for cue in (first, third, last)] == [("Anna: Is it so?",), ("Anna: Oh.",), ("Ben: So.",)]
    assert "<v Anna>Yes?</v>\n<v Ben>No.</v>" in write(transcript, Format.VTT)


def test_a_turn_beside_a_long_one_has_a_cue_of_its_own() -> None:
    found = cues(spoken((7, "A", "Yes?"), (7.4, "B", "No, that is not at all what I wanted to say to you.")))
    assert [len(cue.voices) for cue in found] == [1, 1]


def test_cues_keep_up_with_a_quick_exchange() -> None:
    turns = [(2 + n * 0.5, "AB"[n % 2], "Yes.") for n in range(40)]
    late = [cue.start_ms - 1000 * turns[2 * n][0] for n, cue in enumerate(cues(spoken(*turns)))]
    assert max(late) < 500


@pytest.mark.parametrize(
    ("before", "after", "ends"),
    [
        ("harbour.", "Then", True),
        ("harbour.", "then", True),
        ("p.m.", "on", False),
        ("p.m.", "Then", True),
        ("Mr.", "Smith", False),
        ("(Dr.", "Jones", False),
        ("J.", "Smith", False),
        ("I.", "You", True),
        ("well...", "maybe", False),
        ("well…", "Maybe", True),
        ("2005.", "At", True),
        ("晴れ。", "明日", True),
        ("harbour,", "Then", False),
    ],
)
def test_an_abbreviation_ends_no_sentence(before: str, after: str, ends: bool) -> None:
    assert sentence_ends_between(before, after) is ends


def test_words_without_a_length_make_no_pause() -> None:
    words = [
        Word(i * 0.9, i * 0.9, text) for i, text in enumerate(("notwithstanding", "everything", "incomprehensible"))
    ]
    assert len(cues(Transcript(tuple(words), 60, "en"))) == 1


HOSTILE = [
    "a\n\n2\n00:00:09,000 --> 00:00:10,000\nb",
    "-->",
    "<b>bold",
    "<script>",
    "{\\an8}up",
    "{y:i}",
    "&lt;",
    "a\u2028b",
    "a\x85b",
    "nul\x00",
    "\x1b[31mred",
    "WEBVTT",
    "NOTE x",
    "\r\n\r\n7",
    "",
    "  ",
    "\ufeff",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_words_text_opens_a_cue_or_a_block(text: str) -> None:
    words = (Word(0, 1, "Before."), Word(3, 4, text), Word(6, 7, "After."))
    transcript = Transcript(words, 60, "en")
    number = 3 if text.strip("\ufeff ") else 2
    srt, vtt, txt, markdown = (
        write(transcript, f, "a\n\n# b") for f in (Format.SRT, Format.VTT, Format.TXT, Format.MD)
    )
    assert len(read_srt(srt)) == number
    assert len(re.findall("-->", srt)) == len(re.findall("-->", vtt)) == number
    assert len(vtt.strip().split("\n\n")) == number + 1
    assert len(txt.strip().split("\n\n")) == number
    assert len(markdown.strip().split("\n\n")) == number + 1
    for content in (srt, vtt, txt, markdown):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", content)
    assert not re.search("[<>]", srt.replace("-->", ""))
    assert not re.search(r"<(?!v )", vtt)
    assert "{\\" not in srt


def test_no_speakers_name_opens_a_cue() -> None:
    words = (Word(0, 1, "Yes.", "SPEAKER_00"), Word(3, 4, "No.", "SPEAKER_01"))
    transcript = Transcript(
        words, 60, "en", {"SPEAKER_00": "A\n\n9\n00:00:01,000 --> 00:00:02,000\n<i>", "SPEAKER_01": "\n"}
    )
    for format_ in (Format.SRT, Format.VTT):
        assert len(re.findall("-->|--&gt;|--›", write(transcript, format_))) == 3
        assert len(re.findall("\n\n", write(transcript, format_))) <= 2
    assert "Speaker 2: No." in write(transcript, Format.SRT)
