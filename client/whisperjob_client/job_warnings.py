"""The warnings of a job as sentences."""

from typing import Final

WARNING_SENTENCES: Final = {
    "input_truncated": "The file ends before its own header says; what is there was used.",
    "silent": "There is nothing to be heard in it.",
    "opposite_phase": "Its channels cancelled each other out; they were taken apart.",
}


def describe_warning(code: str) -> str:
    """Returns the sentence with its code; the code alone where a newer service warns of something unknown here."""
    sentence = WARNING_SENTENCES.get(code)
    return code if sentence is None else f"{sentence} ({code})"
