"""Groq's Whisper through Groq's SDK. No other module imports the SDK, and this one is imported only when it is used.

The SDK's own retries are off: `PacedRecogniser` knows the account's limits and reports how long it waits.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
import groq

from whisperjob_client.api.bounded_bodies import async_event_hooks, speech_limits
from whisperjob_client.errors import ClientError, SpeechError, UsageError
from whisperjob_client.speech.answer_bodies import read_answer
from whisperjob_client.speech.recogniser import SpeechOptions, SpeechUnavailableError
from whisperjob_client.speech.refusals import read_refusal, to_error


class GroqRecogniser:
    """A recogniser whose key (GROQ_API_KEY) and address (GROQ_BASE_URL) the SDK reads from the environment."""

    notes: Final = ()
    """It has all that is requested."""

    def __init__(self, options: SpeechOptions, timeout_seconds: float) -> None:
        """Raises UsageError if there is no key."""
        try:
            # Redirects are not followed: neither the recording nor the key goes anywhere else.
            http = groq.DefaultAsyncHttpxClient(
                follow_redirects=False,
                headers={"Accept-Encoding": "gzip"},
                event_hooks=async_event_hooks(speech_limits(timeout_seconds)),
            )
            self._client = groq.AsyncGroq(max_retries=0, timeout=timeout_seconds, http_client=http)
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
            refused = error.response
            refusal = read_refusal(
                refused.status_code, refused.reason_phrase, refused.headers, refused.content, datetime.now(UTC)
            )
            raise to_error(refusal) from None
        except groq.APIConnectionError as error:
            if isinstance(error.__cause__, ClientError):
                raise SpeechError(error.__cause__.message) from None
            raise SpeechUnavailableError(f"No answer from Groq ({error.__cause__ or error}).") from None
        return read_answer(response.http_response.content)

    async def close(self) -> None:
        await self._client.close()
