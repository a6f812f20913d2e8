"""Words as subtitles. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from wcwidth import clip

from whisperjob_client.transcript.cue_breaks import CUE_COLUMNS, cut_into_cues, lines
from whisperjob_client.transcript.cue_times import GAP_MS, MIN_MS, Sounding, show
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
class Voice:
    """What one speaker says in a cue; it has a `label` only where the speaker changes.

    `lines` are for a screen that shows the speaker in another way; in `labelled_lines` the text begins with the label.
    """

    speaker: str | None
    label: str | None
    text: str
    lines: tuple[str, ...]
    labelled_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle. Times are milliseconds; `voices` are one, or two short ones with a line each."""

    start_ms: int
    end_ms: int
    voices: tuple[Voice, ...]

    @property
    def text(self) -> str:
        return " ".join(voice.text for voice in self.voices)

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(line for voice in self.voices for line in voice.lines)

    @property
    def labelled_lines(self) -> tuple[str, ...]:
        return tuple(line for voice in self.voices for line in voice.labelled_lines)


@dataclass(frozen=True, slots=True)
class _Part:
    """The phrases of a cue; `name` is the speaker's, `labelled` says whether the cue must show it."""

    speaker: str | None
    name: str
    labelled: bool
    phrases: tuple[Phrase, ...]

    @property
    def sounding(self) -> Sounding:
        return Sounding(
            round(self.phrases[0].start * 1000), round(self.phrases[-1].end * 1000), columns(joined(self.phrases))
        )


def cues(transcript: Transcript) -> list[Cue]:
    """Returns subtitles that can be read: short enough, long enough, cut where the language allows it."""
    language = transcript.language
    shown = _paired(_cut(transcript))
    times = show([_sounding(parts) for parts in shown], round(transcript.duration * 1000))
    return [
        Cue(start, end, tuple(_voice(part, language) for part in parts))
        for parts, (start, end) in zip(shown, times, strict=True)
    ]


def _cut(transcript: Transcript) -> list[_Part]:
    """Returns what each speaker says, cut into cues."""

    def breaks(group: Sequence[Word], word: Word) -> bool:
        return other_speaker(group, word) or pause(group[-1], word) >= BREAK_SECONDS

    groups = group_words(transcript.words, breaks)
    starts = [group[0].start for group in groups[1:]]
    parts: list[_Part] = []
    for group, next_start in zip(groups, [*starts, transcript.duration], strict=False):
        speaker = speaker_of(group)
        name = _shortened(transcript.label(speaker))
        changed = bool(name) and (not parts or speaker != parts[-1].speaker)
        found = phrases(group, CUE_COLUMNS, transcript.language)
        ranges = cut_into_cues(
            found, _pauses(group, found), columns(f"{name}: ") if changed else 0, next_start, transcript.language
        )
        parts += [
            _Part(speaker, name, changed and number == 0, tuple(found[places.start : places.stop]))
            for number, places in enumerate(ranges)
        ]
    return parts


def _paired(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Puts a part that has too little time together with the next speaker's, where both are one line."""
    shown: list[list[_Part]] = []
    for part in parts:
        before = shown[-1] if shown else []
        if len(before) == 1 and _in_haste(before[0], part) and _one_line(before[0]) and _one_line(part):
            shown[-1] = [replace(before[0], labelled=True), replace(part, labelled=True)]
        else:
            shown.append([part])
    return shown


def _in_haste(part: _Part, following: _Part) -> bool:
    soon = following.sounding.start_ms - part.sounding.start_ms < MIN_MS + GAP_MS
    return soon and part.speaker != following.speaker


def _one_line(part: _Part) -> bool:
    return columns(f"{part.name}: {joined(part.phrases)}") <= CUE_COLUMNS


def _sounding(parts: Sequence[_Part]) -> Sounding:
    all_of_them = [part.sounding for part in parts]
    return Sounding(all_of_them[0].start_ms, all_of_them[-1].end_ms, sum(one.columns for one in all_of_them))


def _voice(part: _Part, language: str | None) -> Voice:
    unlabelled = lines(part.phrases, language)
    labelled = lines(_labelled(part), language) if part.labelled else unlabelled
    return Voice(part.speaker, part.name if part.labelled else None, joined(part.phrases), unlabelled, labelled)


def _shortened(label: str | None) -> str:
    if label is None:
        return ""
    return label if columns(label) <= LABEL_COLUMNS else f"{clip(label, 0, LABEL_COLUMNS - 1)}…"


def _labelled(part: _Part) -> list[Phrase]:
    first, *others = part.phrases
    label = f"{part.name}:"
    return [Phrase(label, "", first.start, first.start, columns(label)), replace(first, gap=" "), *others]


def _pauses(words: Sequence[Word], parts: Sequence[Phrase]) -> list[float]:
    """Returns the pause before each phrase; inside a word there is none."""
    before: dict[float, float] = {}
    for earlier, word in pairwise(words):
        before[word.start] = max(before.get(word.start, 0.0), pause(earlier, word))
    return [0.0, *(before.get(part.start, 0.0) for part in parts[1:])]
