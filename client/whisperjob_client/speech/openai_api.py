"""Any endpoint that has OpenAI's audio API, or a part of it: OpenAI, Azure, vLLM, whisper.cpp, LocalAI, Speaches, ….

What the server does not have is found out by its refusals and remembered, so that only the first files pay for it.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
import httpx

from whisperjob_client.api.bounded_bodies import async_event_hooks, speech_limits
from whisperjob_client.connection import client_arguments
from whisperjob_client.errors import BadAnswerError, SlowAnswerError, SpeechError
from whisperjob_client.speech.answer_bodies import decode, read_answer
from whisperjob_client.speech.endpoints import EXAMPLE, auth_headers, endpoint_urls, redirect_target, shown
from whisperjob_client.speech.recogniser import SpeechOptions, SpeechUnavailableError
from whisperjob_client.speech.refusals import Refusal, is_html, read_refusal, to_error
from whisperjob_client.speech.request_shapes import FIRST_SHAPE, RequestShape, decide_fallback

_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 307, 308)
_NO_ENDPOINT: Final = (404, 405, 410)


class OpenAiRecogniser:
    """A recogniser at one endpoint, which alone gets the `api_key`. Several tasks may use it at once."""

    def __init__(self, options: SpeechOptions, api_key: str | None, timeout_seconds: float) -> None:
        """Raises UsageError if the address or the key is unusable."""
        self._options = options
        self._tried_urls = endpoint_urls(options.endpoint)
        self._urls = list(self._tried_urls)
        self._shape = FIRST_SHAPE
        self._succeeded = False
        self.notes: list[str] = []
        first = httpx.URL(self._urls[0])
        arguments = client_arguments(first.host, timeout_seconds)
        arguments["headers"] |= auth_headers(first, api_key)
        self._client = httpx.AsyncClient(**arguments, event_hooks=async_event_hooks(speech_limits(timeout_seconds)))

    async def recognise(self, file: Path) -> dict[str, Any]:
        """Returns the answer; text alone becomes `{"text": …}`. A request that is refused for what it requests is made
        again with less."""
        audio = await anyio.Path(file).read_bytes()
        reason: Refusal | None = None  # of the first of several guesses
        while True:
            shape, url = self._shape, self._urls[0]
            response = await self._send(url, file.name, audio, shape)
            if response.is_success and not (len(self._urls) > 1 and is_html(decode(response.content))):
                answer = read_answer(response.content, response.charset_encoding)
                self._succeeded = True
                return answer
            refusal = read_refusal(
                response.status_code, response.reason_phrase, response.headers, response.content, datetime.now(UTC)
            )
            if self._is_elsewhere(refusal):
                self._leave(url, refusal)
            elif self._shape == shape:  # otherwise another task has found out meanwhile
                fallback = decide_fallback(shape, refusal, succeeded=self._succeeded, model=self._options.model)
                if fallback is None:
                    raise to_error(refusal if refusal.too_long else reason or refusal)
                reason = None if fallback.named else reason or refusal
                self._fall_back(fallback.shape)

    def _is_elsewhere(self, refusal: Refusal) -> bool:
        """Returns whether the server has nothing at this address. One that lacks only the model has."""
        return (refusal.status in _NO_ENDPOINT or refusal.status < 300) and not (self._succeeded or refusal.lacks_model)

    def _leave(self, url: str, refusal: Refusal) -> None:
        """Goes on with the next address. Raises SpeechError if there is none."""
        if self._urls[0] != url:
            return
        if len(self._urls) == 1:
            tried = ", ".join(shown(tried) for tried in self._tried_urls)
            raise SpeechError(
                f"There is no speech recogniser at {tried} (the answer was {refusal.status}: {refusal.message}). "
                f"Is the address right? One looks like {EXAMPLE} (--asr-url)."
            )
        del self._urls[0]

    def _fall_back(self, shape: RequestShape) -> None:
        if self._options.prompt and self._shape.prompt and not shape.prompt:
            self.notes.append("The recogniser takes no prompt; it was left out.")
        self._shape = shape

    async def _send(self, url: str, name: str, audio: bytes, shape: RequestShape) -> httpx.Response:
        """Posts, and follows redirects as a POST. Raises SpeechUnavailableError if no answer arrives."""
        target = httpx.URL(url)
        for _ in range(_MAX_REDIRECTS):
            response = await self._post(target, name, audio, shape)
            if response.status_code not in _REDIRECTS:
                return response
            location = response.headers.get("location", "")
            next_target = redirect_target(target, location)
            if next_target is None:
                there = f" to {shown(target.join(location))}" if location else ""
                raise SpeechError(
                    f"{shown(target)} redirects{there}, where neither the recording nor the key is sent; "
                    "if that is the recogniser, give its address (--asr-url)."
                )
            target = next_target
            self._urls = [str(target) if known == url else known for known in self._urls]
            url = str(target)
        raise SpeechError(f"{shown(target)} redirects again and again.")

    async def _post(self, url: httpx.URL, name: str, audio: bytes, shape: RequestShape) -> httpx.Response:
        try:
            return await self._client.post(
                url, data=shape.to_form(self._options), files={"file": (name, audio, "audio/mpeg")}
            )
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise SpeechUnavailableError(f"No answer from {shown(url)} ({reason}).") from None
        except (BadAnswerError, SlowAnswerError) as error:
            raise SpeechError(error.message) from None

    async def close(self) -> None:
        await self._client.aclose()
