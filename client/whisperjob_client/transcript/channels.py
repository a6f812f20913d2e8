"""Merges the transcripts of a recording's channels, on each of which one person speaks, into one. Pure.

What one person says may also be heard on the channel of another (crosstalk), and is then recognised twice: of equal
words at the same time, the one of the louder channel stays.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from whisperjob_client.transcript.transcript_model import Speakers, Transcript, Word
from whisperjob_client.transcript.word_speakers import assign_speakers

ECHO_SECONDS: Final = 0.5
"""Crosstalk is heard later by a line's delay, and recognisers' word times are wrong by a few tenths of a second."""


def speaker_of(channel: int) -> str:
    """Returns the speaker of a channel, by the name that the service gives it."""
    return f"CHANNEL_{channel:02d}"


def merge_channels(
    transcripts: Mapping[int, Transcript], louder: Speakers, names: Mapping[str, str] | None = None
) -> Transcript:
    """Returns one transcript of all channels, in the order of time. `louder` says which channel is the louder one."""
    words = [
        replace(word, speaker=speaker_of(channel), no_speaker=None)
        for channel, transcript in transcripts.items()
        for word in transcript.words
    ]
    words.sort(key=lambda word: (word.start, word.end))
    kept = _without_crosstalk(words, louder)
    languages = Counter(transcript.language for transcript in transcripts.values() if transcript.language)
    duration = max((transcript.duration for transcript in transcripts.values()), default=0.0)
    language = languages.most_common(1)[0][0] if languages else None
    return Transcript(_in_order(kept), duration, language, dict(names or {}))


def _without_crosstalk(words: Sequence[Word], louder: Speakers) -> list[Word]:
    owners = [word.speaker for word in assign_speakers(words, louder)]
    starts = [word.start for word in words]
    spellings = ["".join(letter for letter in word.text.casefold() if letter.isalnum()) for word in words]
    echoes: set[int] = set()
    for index, word in enumerate(words):
        for other in range(index + 1, bisect_left(starts, word.start + ECHO_SECONDS)):
            same = spellings[index] == spellings[other] != "" and word.speaker != words[other].speaker
            if same and not echoes & {index, other}:
                echoes |= _find_echo(index, other, words, owners)
    return [word for index, word in enumerate(words) if index not in echoes]


def _find_echo(one: int, other: int, words: Sequence[Word], owners: Sequence[str | None]) -> set[int]:
    """Returns which of two equal words, if any, is the echo of the other. Two people may say the same at once: then
    each word is in the louder channel."""
    if owners[one] == owners[other] == words[one].speaker:
        return {other}
    if owners[one] == owners[other] == words[other].speaker:
        return {one}
    unknown = owners[one] is None or owners[other] is None
    return {other} if unknown else set()


def _in_order(words: Sequence[Word]) -> tuple[Word, ...]:
    """Returns the words with ends that do not reach into the next word: people may speak at once."""
    clipped = [replace(word, end=min(word.end, after.start)) for word, after in pairwise(words)]
    return (*clipped, *words[-1:])
