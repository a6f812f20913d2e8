"""The exit codes of the commands. They are part of the interface: scripts read them."""

from collections.abc import Iterable
from typing import Final

from whisperjob_client.errors import (
    ClientError,
    DiarizationUnavailableError,
    JobFailedError,
    NotFoundError,
    SpeechError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
    UsageError,
    WaitTimeoutError,
)

FAILED: Final = 1
USAGE: Final = 2
NOT_NOW: Final = 3
UNAUTHORIZED: Final = 4
NOT_FOUND: Final = 5
JOB_FAILED: Final = 6
SPEECH_FAILED: Final = 7
SPEAKERS_MISSING: Final = 8
INTERRUPTED: Final = 130

EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 refused or failed; 2 wrong usage or configuration; 3 the server cannot be reached, is busy, "
    "or the time given ran out; 4 the key is missing or wrong; 5 no such job or file; 6 the job ended in an error; "
    "7 speech recognition failed; 8 the text is written, and the speakers are missing; 130 interrupted. "
    "One sentence on standard error says why."
)

LOCAL_EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 failed, one sentence on standard error says why; 2 wrong usage; 130 interrupted."
)
"""Of the commands that speak to no server."""

WORST_FIRST: Final = (
    INTERRUPTED, UNAUTHORIZED, USAGE, NOT_NOW, FAILED, SPEECH_FAILED, JOB_FAILED, NOT_FOUND, SPEAKERS_MISSING, 0,
)  # fmt: skip
"""With several recordings the exit code is that of the worst: of what concerns all of them, then of what left one
without a text."""

_BY_ERROR: tuple[tuple[type[ClientError], int], ...] = (
    (UsageError, USAGE),
    (DiarizationUnavailableError, USAGE),  # the options ask for what this service never has; waiting does not help
    (UnauthorizedError, UNAUTHORIZED),
    (NotFoundError, NOT_FOUND),
    (UnreachableError, NOT_NOW),
    (UnavailableError, NOT_NOW),
    (WaitTimeoutError, NOT_NOW),
    (JobFailedError, JOB_FAILED),
    (SpeechError, SPEECH_FAILED),
)


def worst(codes: Iterable[int]) -> int:
    """Returns the code that stands for several ends; 0 if there are none."""
    return min(codes, key=WORST_FIRST.index, default=0)


def exit_code(error: ClientError) -> int:
    """Returns the exit code that stands for an error."""
    if error.code == "interrupted":
        return INTERRUPTED
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), FAILED)
