"""Any endpoint that has OpenAI's audio API: faster-whisper servers, whisper.cpp, vLLM, LocalAI, OpenAI itself."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx

from whisperjob_client.api.responses import retry_after
from whisperjob_client.connection import build_timeout, is_loopback
from whisperjob_client.errors import SpeechError, UsageError
from whisperjob_client.speech.recogniser import SpeechOptions, SpeechUnavailableError, speech_error

_ENDPOINT_PATHS = ("/audio/transcriptions", "/inference")
_GRANULARITIES = "timestamp_granularities[]"


def endpoint_url(url: str) -> str:
    """Returns the address that requests go to: `http://host:8000/v1` stands for its `/audio/transcriptions`, and the
    whole address of an endpoint for itself. Raises UsageError if it is no URL.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UsageError(f"{url!r} is no URL: {error}.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"{url!r} is no URL of a speech recogniser; one looks like http://127.0.0.1:8000/v1.")
    path = parsed.path.rstrip("/")
    return str(parsed.copy_with(path=path if path.endswith(_ENDPOINT_PATHS) else f"{path}/audio/transcriptions"))


class OpenAiRecogniser:
    """A recogniser at one endpoint, which alone gets the `api_key`."""

    def __init__(self, options: SpeechOptions, api_key: str | None, timeout_seconds: float) -> None:
        self._options = options
        self._url = endpoint_url(options.endpoint)
        self._word_times = True
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=build_timeout(timeout_seconds),
            trust_env=not is_loopback(httpx.URL(self._url).host),
        )

    async def recognise(self, file: Path) -> dict[str, Any]:
        """Returns the answer as it arrived. An endpoint that refuses word times gets the request again without them,
        because the merge can do without."""
        audio = await anyio.Path(file).read_bytes()
        word_times = self._word_times
        response = await self._send(file.name, audio, word_times=word_times)
        if word_times and response.status_code in (400, 422) and "granularit" in response.text:
            self._word_times = False
            response = await self._send(file.name, audio, word_times=False)
        if not response.is_success:
            wait = retry_after(response.headers, datetime.now(UTC))
            raise speech_error(response.status_code, _error_message(response), wait)
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise SpeechError(f"{self._url} answered with something that is no JSON object.")
        return body

    async def _send(self, name: str, audio: bytes, *, word_times: bool) -> httpx.Response:
        data: dict[str, str | list[str]] = {
            "model": self._options.model,
            "response_format": "verbose_json",
            "temperature": "0",
        }
        data |= {_GRANULARITIES: ["word", "segment"]} if word_times else {}
        data |= {"language": self._options.language} if self._options.language else {}
        data |= {"prompt": self._options.prompt} if self._options.prompt else {}
        try:
            return await self._client.post(self._url, data=data, files={"file": (name, audio, "audio/mpeg")})
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise SpeechUnavailableError(f"No answer from {self._url} ({reason}).") from None

    async def close(self) -> None:
        await self._client.aclose()


def _error_message(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text.strip()[:300] or response.reason_phrase
    details = body.get("error", body.get("detail")) if isinstance(body, dict) else None
    message = details.get("message") if isinstance(details, dict) else details
    return str(message or body)[:300]
