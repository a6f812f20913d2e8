"""WebVTT with a time for every word, so that players can show which one is spoken. Pure."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from whisperjob_client.transcript.cues import Voice, cues
from whisperjob_client.transcript.paragraphs import group_words
from whisperjob_client.transcript.transcript_model import Transcript


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A word, or what is left of one that a line ended inside."""

    start_ms: int
    text: str
    gap: str


def write_word_vtt(transcript: Transcript, _: str) -> str:
    """Returns the cues of the usual WebVTT. Inside one, times only rise, and lie between its start and its end: a word
    whose time does not is shown with the one before it."""
    words = group_words(transcript.words, lambda *_: False)
    spoken = deque(_Spoken(round(word.start * 1000), word.text, word.gap) for group in words for word in group)
    blocks = ["WEBVTT\n"]
    for cue in cues(transcript):
        latest = cue.start_ms
        texts = []
        for voice in cue.voices:
            text, latest = _timed_text(voice, latest, cue.end_ms, spoken)
            label = transcript.label(voice.speaker)
            end = "</v>" if len(cue.voices) > 1 else ""
            texts.append(f"<v {_escaped(label)}>{text}{end}" if label else text)
        times = f"{_timestamp(cue.start_ms)} --> {_timestamp(cue.end_ms)}"
        blocks.append("\n".join((times, *texts)) + "\n")
    return "\n".join(blocks)


def _timed_text(voice: Voice, latest: int, end: int, spoken: deque[_Spoken]) -> tuple[str, int]:
    """Returns a voice's lines, with a tag before each word that begins between `latest` and the cue's end, and the last
    such time. Takes its words off `spoken`."""
    timed = []
    for line in voice.lines:
        text = ""
        for word in _words_of(line, spoken):
            said = _escaped(f"{word.gap if text else ''}{word.text}")
            if latest < word.start_ms < end:
                text += f"<{_timestamp(word.start_ms)}><c>{said}</c>"
                latest = word.start_ms
            else:
                text += said
        timed.append(text)
    return "\n".join(timed), latest


def _words_of(line: str, spoken: deque[_Spoken]) -> Iterator[_Spoken]:
    """Yields the words of a line. Of a word that is longer than the rest of the line, the rest stays in `spoken`."""
    letters = len(_without_spaces(line))
    while letters > 0 and spoken:
        word = spoken.popleft()
        length = len(_without_spaces(word.text))
        if length > letters:
            place = next(i for i in range(len(word.text)) if len(_without_spaces(word.text[: i + 1])) == letters) + 1
            spoken.appendleft(replace(word, text=word.text[place:].lstrip(), gap=""))
            word = replace(word, text=word.text[:place])
        letters -= length
        yield word


def _without_spaces(text: str) -> str:
    return "".join(text.split())


def _timestamp(milliseconds: int) -> str:
    seconds, remainder = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{remainder:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
