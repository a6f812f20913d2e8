"""Groq's Whisper through its own SDK. The only module that imports it, and only when it is used.

The SDK's own retries are off: the loop knows the account's limits and says how long it waits.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import groq

from whisperjob_client.errors import UsageError
from whisperjob_client.responses import retry_after
from whisperjob_client.speech.recogniser import SpeechOptions, SpeechPassingError, speech_error


class GroqRecogniser:
    """GROQ_API_KEY, and GROQ_BASE_URL where it is not Groq itself, come from the environment, as the SDK reads them."""

    def __init__(self, options: SpeechOptions, timeout_seconds: float) -> None:
        """Raises UsageError without a key."""
        try:
            self._client = groq.AsyncGroq(max_retries=0, timeout=timeout_seconds)
        except groq.GroqError:
            raise UsageError(
                "GROQ_API_KEY is not set; make a key at console.groq.com, or name another recogniser by --asr-url."
            ) from None
        self._options = options

    async def recognise(self, file: Path) -> dict[str, Any]:
        options = self._options
        audio = await anyio.Path(file).read_bytes()  # the SDK does not read a path inside a tuple
        try:
            response = await self._client.audio.transcriptions.with_raw_response.create(
                file=(file.name, audio, "audio/mpeg"),
                model=options.model,
                response_format="verbose_json",
                timestamp_granularities=["word", "segment"],
                temperature=0,
                language=options.language if options.language else groq.omit,
                prompt=options.prompt if options.prompt else groq.omit,
            )
        except groq.APIStatusError as error:
            wait = retry_after(error.response.headers, datetime.now(UTC))
            raise speech_error(error.status_code, _sentence(error), wait) from None
        except groq.APIConnectionError as error:
            raise SpeechPassingError(f"No answer from Groq ({error.__cause__ or error}).") from None
        try:
            body = response.http_response.json()
        except ValueError:
            raise SpeechPassingError("Groq answered with something that is not JSON.") from None
        return dict(body)

    async def close(self) -> None:
        await self._client.close()


def _sentence(error: groq.APIStatusError) -> str:
    inner = error.body.get("error") if isinstance(error.body, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    return str(message or error.message)
