"""Words as sentences. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from whisperjob_client.transcript.paragraphs import PARAGRAPH_PAUSE_SECONDS, group_words, other_speaker, speaker_of
from whisperjob_client.transcript.pauses import pause
from whisperjob_client.transcript.spelling import ends_sentence, joined
from whisperjob_client.transcript.transcript_model import Transcript, Word


@dataclass(frozen=True, slots=True)
class Sentence:
    """What one speaker says up to the end of a sentence. Times are seconds.

    `confidence` is the mean of its words', as far as these have one.
    """

    start: float
    end: float
    speaker: str | None
    text: str
    confidence: float | None


def sentences(transcript: Transcript) -> list[Sentence]:
    """Returns sentences; one also ends with its speaker's turn, and at a long pause."""

    def breaks(group: Sequence[Word], word: Word) -> bool:
        paused = pause(group[-1], word) >= PARAGRAPH_PAUSE_SECONDS
        return paused or ends_sentence(group[-1].text) or other_speaker(group, word)

    found = []
    for group in group_words(transcript.words, breaks):
        known = [word.confidence for word in group if word.confidence is not None]
        confidence = fmean(known) if known else None
        found.append(Sentence(group[0].start, group[-1].end, speaker_of(group), joined(group), confidence))
    return found
