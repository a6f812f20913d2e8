"""A transcript as tab-separated values, in the columns of Whisper's own TSV and one for the speaker. Pure."""

from typing import Final

from whisperjob_client.plain_text import one_line
from whisperjob_client.transcript.sentences import sentences
from whisperjob_client.transcript.transcript_model import Transcript

COLUMNS: Final = ("start", "end", "text", "speaker")


def write_tsv(transcript: Transcript, _: str) -> str:
    """Returns a line for each sentence; times are whole milliseconds, and the speaker is the name that people see."""
    rows = ["\t".join(COLUMNS)]
    for sentence in sentences(transcript):
        label = one_line(transcript.label(sentence.speaker) or "")
        times = (str(round(sentence.start * 1000)), str(round(sentence.end * 1000)))
        rows.append("\t".join((*times, sentence.text, label)))
    return "\n".join(rows) + "\n"
