"""The warnings of a job as sentences."""

from typing import Final

SILENT_WARNING: Final = "silent"

WARNING_SENTENCES: Final = {
    "input_truncated": "The file is shorter than its header says; the existing part was used.",
    SILENT_WARNING: "The recording is silent.",
    "opposite_phase": "Its channels cancelled each other out; they were mixed in another way.",
    "invalid_samples": "Some of its samples were no valid numbers; they were replaced by silence.",
    "timestamp_discontinuity": "The file's clock jumps; what comes after a jump follows directly what was before it.",
    "second_recording": "The file has a second recording behind the first; only the first was used.",
}


def describe_warning(code: str) -> str:
    """Returns the sentence with its code. A newer service may warn of something that is unknown here."""
    sentence = WARNING_SENTENCES.get(code, "The service warns of something that this version does not know.")
    return f"{sentence} ({code})"
