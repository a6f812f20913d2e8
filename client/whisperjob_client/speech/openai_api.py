"""Any endpoint that speaks OpenAI's audio API: faster-whisper servers, whisper.cpp, vLLM, LocalAI, OpenAI itself."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx

from whisperjob_client.connection import is_loopback
from whisperjob_client.errors import SpeechError, UsageError
from whisperjob_client.responses import retry_after
from whisperjob_client.speech.recogniser import SpeechOptions, SpeechPassingError, speech_error

_WHOLE_ENDPOINTS = ("/audio/transcriptions", "/inference")
_GRANULARITIES = "timestamp_granularities[]"


def endpoint_url(url: str) -> str:
    """`http://host:8000/v1` stands for its `/audio/transcriptions`; a whole endpoint is taken as it is.

    Raises UsageError if it is no URL.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UsageError(f"{url!r} is no URL: {error}.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"{url!r} is no URL of a speech recogniser; one looks like http://127.0.0.1:8000/v1.")
    path = parsed.path.rstrip("/")
    return str(parsed.copy_with(path=path if path.endswith(_WHOLE_ENDPOINTS) else f"{path}/audio/transcriptions"))


class OpenAiRecogniser:
    """`api_key` goes to this endpoint only."""

    def __init__(self, options: SpeechOptions, api_key: str | None, timeout_seconds: float) -> None:
        self._options = options
        self._url = endpoint_url(options.endpoint)
        self._words = True
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, 10.0)),
            trust_env=not is_loopback(httpx.URL(self._url).host),
        )

    async def recognise(self, file: Path) -> dict[str, Any]:
        """An endpoint that refuses word times is asked again without them; the merge can do without."""
        audio = await anyio.Path(file).read_bytes()
        words = self._words
        response = await self._send(file.name, audio, words)
        if words and response.status_code in (400, 422) and "granularit" in response.text:
            self._words = False
            response = await self._send(file.name, audio, words=False)
        if not response.is_success:
            wait = retry_after(response.headers, datetime.now(UTC))
            raise speech_error(response.status_code, _sentence(response), wait)
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise SpeechError(f"{self._url} answered with something that is no JSON object.")
        return body

    async def _send(self, name: str, audio: bytes, words: bool) -> httpx.Response:
        data: dict[str, str | list[str]] = {"model": self._options.model, "response_format": "verbose_json"}
        data["temperature"] = "0"
        data |= {_GRANULARITIES: ["word", "segment"]} if words else {}
        data |= {"language": self._options.language} if self._options.language else {}
        data |= {"prompt": self._options.prompt} if self._options.prompt else {}
        try:
            return await self._client.post(self._url, data=data, files={"file": (name, audio, "audio/mpeg")})
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise SpeechPassingError(f"No answer from {self._url} ({reason}).") from None

    async def close(self) -> None:
        await self._client.aclose()


def _sentence(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text.strip()[:300] or response.reason_phrase
    inner = body.get("error", body.get("detail")) if isinstance(body, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else inner
    return str(message or body)[:300]
