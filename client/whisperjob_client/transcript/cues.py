"""Words as subtitles. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from wcwidth import clip

from whisperjob_client.transcript.cue_breaks import CUE_COLUMNS, cut_into_cues, lines
from whisperjob_client.transcript.cue_times import Sounding, show
from whisperjob_client.transcript.paragraphs import group_words, other_speaker, speaker_of
from whisperjob_client.transcript.pauses import pause
from whisperjob_client.transcript.phrases import Phrase, phrases
from whisperjob_client.transcript.spelling import columns, joined
from whisperjob_client.transcript.transcript_model import Transcript, Word

BREAK_SECONDS: Final = 2.0
"""No subtitle goes on after such a pause."""
LABEL_COLUMNS: Final = 24
"""A longer name is shortened, so that there is room for words beside it."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle. Times are milliseconds; it has a `label` only where the speaker changes.

    `lines` are for a screen that shows the speaker in another way; in `labelled_lines` the text begins with the label.
    """

    start_ms: int
    end_ms: int
    speaker: str | None
    label: str | None
    text: str
    lines: tuple[str, ...]
    labelled_lines: tuple[str, ...]


def cues(transcript: Transcript) -> list[Cue]:
    """Returns subtitles that can be read: short enough, long enough, cut where the language allows it."""

    def breaks(group: Sequence[Word], word: Word) -> bool:
        return other_speaker(group, word) or pause(group[-1], word) >= BREAK_SECONDS

    groups = group_words(transcript.words, breaks)
    following = [group[0].start for group in groups[1:]] + [
        max(transcript.duration, groups[-1][-1].end) if groups else 0
    ]
    cut: list[tuple[str | None, str, list[Phrase]]] = []
    for index, group in enumerate(groups):
        speaker = speaker_of(group)
        changed = index == 0 or speaker != speaker_of(groups[index - 1])
        label = _shortened(transcript.label(speaker)) if changed else ""
        parts = phrases(group, CUE_COLUMNS, transcript.language)
        ranges = cut_into_cues(
            parts, _pauses(group, parts), columns(f"{label}: ") if label else 0, following[index], transcript.language
        )
        cut += [
            (speaker, label if number == 0 else "", parts[places.start : places.stop])
            for number, places in enumerate(ranges)
        ]
    times = show([_sounding(parts) for *_, parts in cut], round(transcript.duration * 1000))
    return [
        Cue(
            start,
            end,
            speaker,
            label or None,
            joined(parts),
            lines(parts, transcript.language),
            lines(_labelled(label, parts), transcript.language),
        )
        for (speaker, label, parts), (start, end) in zip(cut, times, strict=True)
    ]


def _shortened(label: str | None) -> str:
    if label is None:
        return ""
    return label if columns(label) <= LABEL_COLUMNS else f"{clip(label, 0, LABEL_COLUMNS - 1)}…"


def _labelled(label: str, parts: Sequence[Phrase]) -> list[Phrase]:
    if not label:
        return list(parts)
    head = Phrase(f"{label}:", "", parts[0].start, parts[0].start, columns(label) + 1)
    return [head, replace(parts[0], gap=" "), *parts[1:]]


def _sounding(parts: Sequence[Phrase]) -> Sounding:
    return Sounding(round(parts[0].start * 1000), round(parts[-1].end * 1000), columns(joined(parts)))


def _pauses(words: Sequence[Word], parts: Sequence[Phrase]) -> list[float]:
    """Returns the pause before each phrase; inside a word there is none."""
    before: dict[float, float] = {}
    for earlier, word in pairwise(words):
        before[word.start] = max(before.get(word.start, 0.0), pause(earlier, word))
    return [0.0, *(before.get(part.start, 0.0) for part in parts[1:])]
