"""Words as paragraphs for reading. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from whisperjob_client.plain_text import one_line
from whisperjob_client.transcript.pauses import pause
from whisperjob_client.transcript.spelling import gap_of, joined, sentence_ends_between
from whisperjob_client.transcript.transcript_model import Transcript, Word

PARAGRAPH_PAUSE_SECONDS = 2.0
PARAGRAPH_LETTERS = 700


@dataclass(frozen=True, slots=True)
class Paragraph:
    """What one speaker says without a long pause. Times are seconds."""

    start: float
    end: float
    speaker: str | None
    text: str


def paragraphs(transcript: Transcript) -> list[Paragraph]:
    """Returns paragraphs; one ends with its speaker's turn, at a long pause, or, when it is long, with a sentence."""

    def breaks(group: Sequence[Word], word: Word) -> bool:
        ends = sentence_ends_between(group[-1].text, word.text)
        long = ends and sum(len(w.text) + 1 for w in group) >= PARAGRAPH_LETTERS
        return long or pause(group[-1], word) >= PARAGRAPH_PAUSE_SECONDS or other_speaker(group, word)

    return [
        Paragraph(group[0].start, group[-1].end, speaker_of(group), joined(group))
        for group in group_words(transcript.words, breaks)
    ]


def group_words(words: Iterable[Word], breaks: Callable[[Sequence[Word], Word], bool]) -> list[list[Word]]:
    """Returns the words that have a text, as one line each, in groups; `breaks` decides where a new one begins."""
    groups: list[list[Word]] = []
    for word in _with_text(words):
        if groups and not breaks(groups[-1], word):
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _with_text(words: Iterable[Word]) -> Iterator[Word]:
    """Yields the words as a file may have them, whoever made the transcript."""
    for word in words:
        if text := one_line(word.text).strip():
            yield replace(word, text=text, gap=gap_of(word.gap))


def speaker_of(group: Sequence[Word]) -> str | None:
    return next((word.speaker for word in group if word.speaker is not None), None)


def other_speaker(group: Sequence[Word], word: Word) -> bool:
    """Returns whether the word begins another speaker's turn. A word without a speaker does not."""
    return word.speaker is not None and speaker_of(group) not in (None, word.speaker)
