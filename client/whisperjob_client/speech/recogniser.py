"""What the loop needs from a speech recogniser."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from whisperjob_client.errors import SpeechError


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """What changes the answer; part of what a kept answer is found by."""

    model: str
    language: str | None = None
    prompt: str | None = None
    endpoint: str = "groq"
    """`groq`, or the URL of another endpoint."""


class Recogniser(Protocol):
    async def recognise(self, file: Path) -> dict[str, Any]:
        """The answer as it came (verbose_json).

        Raises SpeechLimitedError (wait, then again), SpeechPassingError (again soon), SpeechError (never again).
        """
        ...

    async def close(self) -> None: ...


class SpeechPassingError(SpeechError):
    """The recogniser failed in a way that may pass: no connection, a 5xx."""


class SpeechLimitedError(SpeechError):
    """429. `retry_after_seconds` is what it asked to wait, None if it did not say."""

    def __init__(self, message: str, retry_after_seconds: float | None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


def speech_error(status: int, message: str, retry_after_seconds: float | None) -> SpeechError:
    """The error that an HTTP status of a recogniser stands for."""
    sentence = f"The speech recogniser answered {status}: {message}"
    if status == 429:
        return SpeechLimitedError(sentence, retry_after_seconds)
    if status >= 500 or status in (408, 409):
        return SpeechPassingError(sentence)
    return SpeechError(sentence)
