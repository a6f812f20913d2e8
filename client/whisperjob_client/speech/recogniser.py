"""The interface of a speech recogniser, its options and its errors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from whisperjob_client.errors import SpeechError


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """What changes an answer; part of the key under which a checkpoint stores it."""

    model: str
    language: str | None = None
    prompt: str | None = None
    endpoint: str = "groq"
    """`groq`, or the URL of another endpoint."""


class Recogniser(Protocol):
    """Makes text of one chunk."""

    async def recognise(self, file: Path) -> dict[str, Any]:
        """Returns the answer as it arrived (verbose_json).

        Raises SpeechLimitedError (try again after a wait), SpeechUnavailableError (try again soon), SpeechError (never
        try again).
        """
        ...

    async def close(self) -> None: ...


class SpeechUnavailableError(SpeechError):
    """The recogniser failed in a way that may pass: no connection, or a 5xx."""


class SpeechLimitedError(SpeechError):
    """429: the account's limit is reached. `retry_after_seconds` is its Retry-After, None if it gave none."""

    def __init__(self, message: str, retry_after_seconds: float | None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


def speech_error(status: int, message: str, retry_after_seconds: float | None) -> SpeechError:
    """Returns the error that an HTTP status of a recogniser stands for."""
    sentence = f"The speech recogniser answered {status}: {message}"
    if status == 429:
        return SpeechLimitedError(sentence, retry_after_seconds)
    if status >= 500 or status in (408, 409):
        return SpeechUnavailableError(sentence)
    return SpeechError(sentence)
