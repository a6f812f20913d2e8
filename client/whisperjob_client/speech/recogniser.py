"""The interface of a speech recogniser, its options and its errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from whisperjob_client.errors import SpeechError
from whisperjob_client.speech.languages import parse_language


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """What changes an answer; part of the key under which a checkpoint stores it."""

    model: str
    language: str | None = None
    """A code such as `en`; a name or a tag with a region becomes one. UsageError is raised if it is no language."""

    prompt: str | None = None
    endpoint: str = "groq"
    """`groq`, or the URL of another endpoint."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "language", parse_language(self.language))


class Recogniser(Protocol):
    """Makes text of one file."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about what the recogniser cannot do, found out by now."""
        ...

    async def recognise(self, file: Path) -> dict[str, Any]:
        """Returns the answer as it arrived: verbose_json, or what the recogniser has of it.

        Raises SpeechLimitedError (try again after a wait), SpeechUnavailableError (try again soon), SpeechTooLongError
        (send shorter files), SpeechError (never try again).
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


class SpeechTooLongError(SpeechError):
    """The file is longer or larger than the recogniser accepts. The limits are None where it did not report them."""

    def __init__(self, message: str, longest_seconds: float | None = None, largest_bytes: int | None = None) -> None:
        super().__init__(message)
        self.longest_seconds = longest_seconds
        self.largest_bytes = largest_bytes
