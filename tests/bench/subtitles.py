"""`python -m bench.subtitles FILE.json …`: how readable the subtitles of transcripts are, as counts over their cues.

Each FILE has `words` with `start`, `end` and `text`, and `paragraphs` with `start`, `end` and `speaker`: WhisperJob's
own JSON, or that of the BBC's Digital Paper Edit, of which public repositories have hours of real speech. The files
are joined into one recording. The counts are taken from the SRT alone, as a viewer gets it.
"""

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from whisperjob_client.transcript.merge import merge
from whisperjob_client.transcript.recogniser_answers import ChunkAnswer, parse_answer
from whisperjob_client.transcript.spelling import columns, ends_sentence
from whisperjob_client.transcript.transcript_model import ChunkPlace, Speakers, SpeakerSegment, Transcript
from whisperjob_client.transcript.writers import Format, write

_BINDING = """
    a an the of in to for on at by from with about into over under between through during without within against toward
    towards among upon
"""
ARTICLES_AND_PREPOSITIONS = frozenset(_BINDING.split())
"""English, and not the lists that choose the breaks: a word may be missing there."""

_CUE = re.compile(r"\d+\n([\d:,]+) --> ([\d:,]+)\n(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Shown:
    """A cue as a file has it. Times are milliseconds; `text` is without the speaker's name."""

    start: int
    end: int
    lines: tuple[str, ...]
    text: str


def read_srt(srt: str, labels: Iterable[str] = ()) -> list[Shown]:
    """Returns the cues of a file. `labels` are the speakers' names that it has."""
    label = re.compile("|".join(f"{re.escape(name)}:(?: |$)" for name in labels) or "(?!)")
    shown = []
    for block in filter(None, re.split(r"\n\n", srt.strip())):
        matched = _CUE.fullmatch(block)
        assert matched is not None, f"no cue: {block!r}"
        lines = matched[3].split("\n")
        text = " ".join(label.sub("", line, count=1) if label.match(line) else line for line in lines).strip()
        shown.append(Shown(_milliseconds(matched[1]), _milliseconds(matched[2]), tuple(lines), text))
    return shown


def count(cues: Sequence[Shown]) -> dict[str, int]:
    """Returns how often a cue is what it should not be, by what that is."""
    neighbours = list(pairwise(cues))
    gaps = [after.start - before.end for before, after in neighbours]
    return {
        "cues": len(cues),
        "start with the last word of the sentence before": sum(
            ends_sentence(after.text.split()[0]) and not ends_sentence(before.text) for before, after in neighbours
        ),
        "end on an article or a preposition": sum(
            cue.text.split()[-1].lower() in ARTICLES_AND_PREPOSITIONS for cue in cues
        ),
        "end with a sentence": sum(ends_sentence(cue.text) for cue in cues),
        "follow less than two frames after another": sum(gap < 83 for gap in gaps),
        "last longer than 7 s": sum(cue.end - cue.start > 7000 for cue in cues),
        "last less than 5/6 s": sum(cue.end - cue.start < 833 for cue in cues),
        "need more than 17 characters a second": sum(
            columns(cue.text) * 1000 > 17 * (cue.end - cue.start) for cue in cues
        ),
        "do so though a pause follows": sum(
            columns(cue.text) * 1000 > 17 * (cue.end - cue.start) and gap > 84 and cue.end - cue.start < 7000
            for cue, gap in zip(cues, gaps, strict=False)
        ),
        "have more than two lines of 42 columns": sum(
            len(cue.lines) > 2 or any(columns(line) > 42 for line in cue.lines) for cue in cues
        ),
    }


def read_transcript(files: Sequence[Path]) -> Transcript:
    """Returns one transcript of all the files, each after the other."""
    chunks: list[tuple[ChunkPlace, ChunkAnswer]] = []
    segments: list[SpeakerSegment] = []
    start = 0.0
    for file in files:
        body: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        duration = max(word["end"] for word in body["words"])
        chunks.append((ChunkPlace(start, duration), parse_answer({"words": body["words"], "language": "en"})))
        segments += [
            SpeakerSegment(start + part["start"], start + part["end"], f"{file.stem} {part['speaker']}")
            for part in body["paragraphs"]
            if part["speaker"]
        ]
        start += duration
    return merge(chunks, Speakers(tuple(segments)))


def labels_of(transcript: Transcript) -> list[str]:
    return [label for speaker in (*transcript.speakers, None) if (label := transcript.label(speaker)) is not None]


def unfinished_turns(transcript: Transcript) -> int:
    """Returns how many turns end in the middle of a sentence."""
    return sum(
        before.speaker != after.speaker and not ends_sentence(before.text)
        for before, after in pairwise(transcript.words)
    )


def _milliseconds(stamp: str) -> int:
    hours, minutes, seconds = stamp.replace(",", ".").split(":")
    return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.subtitles", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.json")
    transcript = read_transcript(parser.parse_args().files)
    print(f"{transcript.duration / 60:.1f} minutes, {len(transcript.words)} words")
    for what, number in count(read_srt(write(transcript, Format.SRT), labels_of(transcript))).items():
        print(f"{number:6} {what}")
    print(f"{unfinished_turns(transcript):6} turns end in mid-sentence")


if __name__ == "__main__":
    main()
