"""Words as paragraphs for reading and as cues for watching. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from whisperjob_client.transcript.spelling import columns, ends_sentence, joined
from whisperjob_client.transcript.transcript_model import Transcript, Word

PARAGRAPH_PAUSE_SECONDS = 2.0
PARAGRAPH_LETTERS = 700
CUE_COLUMNS = 42
CUE_LINES = 2
CUE_SECONDS = 7.0
CUE_PAUSE_SECONDS = 0.8
CUE_MIN_MS = 1000
READING_COLUMNS_PER_SECOND = 17
"""Line length, number of lines, longest cue and reading speed are those of broadcasters' subtitle guides."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """What one speaker says without a long pause. Times are seconds."""

    start: float
    end: float
    speaker: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle. Times are milliseconds; it has a `label` only where the speaker changes."""

    start_ms: int
    end_ms: int
    speaker: str | None
    label: str | None
    text: str


def paragraphs(transcript: Transcript) -> list[Paragraph]:
    """Returns paragraphs; one ends with its speaker's turn, at a long pause, or, when it is long, with a sentence."""

    def breaks(group: Sequence[Word], word: Word) -> bool:
        long = ends_sentence(group[-1].text) and sum(len(w.text) + 1 for w in group) >= PARAGRAPH_LETTERS
        return long or word.start - group[-1].end >= PARAGRAPH_PAUSE_SECONDS or _other_speaker(group, word)

    return [
        Paragraph(group[0].start, group[-1].end, _speaker(group), joined(w.text for w in group))
        for group in _grouped(transcript.words, breaks)
    ]


def cues(transcript: Transcript) -> list[Cue]:
    """Returns subtitles that are short enough to read, end at pauses and sentences, and never overlap."""

    def breaks(group: Sequence[Word], word: Word) -> bool:
        text = joined(w.text for w in group)
        label = transcript.label(_speaker([*group, word]))
        return (
            _other_speaker(group, word)
            or word.start - group[-1].end >= CUE_PAUSE_SECONDS
            or word.end - group[0].start > CUE_SECONDS
            or (ends_sentence(group[-1].text) and columns(text) >= CUE_COLUMNS)
            or _too_long(labelled_lines(label, joined((text, word.text))))
        )

    unpaced: list[Cue] = []
    for group in _grouped(transcript.words, breaks):
        speaker = _speaker(group)
        changed = not unpaced or speaker != unpaced[-1].speaker
        label = transcript.label(speaker) if changed else None
        text = joined(w.text for w in group)
        unpaced.append(Cue(round(group[0].start * 1000), round(group[-1].end * 1000), speaker, label, text))
    return _shown_long_enough(unpaced)


def labelled_lines(label: str | None, text: str) -> tuple[str, ...]:
    """Returns the text as lines on a screen, after the label if there is one; no line ends inside the label."""
    return _wrapped(f"{label}: {text}", len(label) + 1) if label else _wrapped(text)


def _too_long(lines: Sequence[str]) -> bool:
    return len(lines) > CUE_LINES or any(columns(line) > CUE_COLUMNS for line in lines)


def _grouped(words: Iterable[Word], breaks: Callable[[Sequence[Word], Word], bool]) -> list[list[Word]]:
    groups: list[list[Word]] = []
    for word in words:
        if groups and not breaks(groups[-1], word):
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _speaker(group: Sequence[Word]) -> str | None:
    return next((word.speaker for word in group if word.speaker is not None), None)


def _other_speaker(group: Sequence[Word], word: Word) -> bool:
    """Returns whether the word begins another speaker's turn. A word without a speaker does not."""
    return word.speaker is not None and _speaker(group) not in (None, word.speaker)


def _wrapped(text: str, unbroken: int = 0) -> tuple[str, ...]:
    """Returns lines of at most CUE_COLUMNS, two of about the same length; a longer word has a line of its own."""
    if columns(text) <= CUE_COLUMNS:
        return (text,)
    places = [place for place in _break_places(text) if place >= unbroken]
    if not places:
        return (text,)
    heads = {place: columns(text[:place].rstrip()) for place in places}
    tails = {place: columns(text[place:].lstrip()) for place in places}
    fitting = [place for place in places if max(heads[place], tails[place]) <= CUE_COLUMNS]
    if fitting:
        middle = min(fitting, key=lambda place: abs(heads[place] - tails[place]))
        return (text[:middle].rstrip(), text[middle:].lstrip())
    place = max((place for place in places if heads[place] <= CUE_COLUMNS), default=places[0])
    return (text[:place].rstrip(), *_wrapped(text[place:].lstrip()))


def _break_places(text: str) -> list[int]:
    """Returns where a line may end: at spaces, and between wide letters."""
    if text.isascii():
        return [i for i, letter in enumerate(text) if letter == " " and i]
    wide = [columns(c) == 2 for c in text]
    return [i for i in range(1, len(text)) if text[i] == " " or (wide[i - 1] and wide[i] and text[i].isalnum())]


def _shown_long_enough(unpaced: Sequence[Cue]) -> list[Cue]:
    """Returns the cues with times that leave enough time to read each, as far as the next one allows."""
    shown: list[Cue] = []
    earliest = 0
    for index, cue in enumerate(unpaced):
        start = max(cue.start_ms, earliest)
        needed = max(CUE_MIN_MS, 1000 * columns(cue.text) // READING_COLUMNS_PER_SECOND)
        limit = unpaced[index + 1].start_ms if index + 1 < len(unpaced) else start + needed
        end = max(min(max(cue.end_ms, start + needed), max(limit, cue.end_ms)), start + 1)
        earliest = end
        shown.append(Cue(start, end, cue.speaker, cue.label, cue.text))
    return shown
