"""How much of an answer is read, and for how long. The server does not decide how much memory, disk or time that takes.

The hooks below are given to every httpx client, and put a limit around the body of each of its answers before the first
byte is read: in bytes as they come, in bytes after decompression, and in seconds. They also decompress, because
httpx makes of 64 kB whatever a compressed body makes of them.
"""

import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

from whisperjob_client.errors import BadAnswerError, SlowAnswerError

MEBIBYTE: Final = 1024 * 1024

MAX_REFUSAL_BYTES: Final = 64 * 1024
"""Of an answer that is an error or a redirect, so much is read. The rest is not needed."""

SLOWEST_BYTES_PER_SECOND: Final = 8 * 1024
"""A transfer may take so long; a slower line would need 17 hours for the largest upload."""

_MOST_PIECES: Final = 100_000
_SMALL_PIECE_BYTES: Final = 256
"""A body may come in so many pieces, and in one more for so many bytes. Each costs time, even if it has one byte."""

_EXTENSION: Final = "whisperjob_limits"
_AUTOMATIC: Final = 32 + zlib.MAX_WBITS
"""Tells zlib to read both gzip and zlib (`deflate`) by their heads."""

_CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})

_PIECE_BYTES: Final = 4096
"""Smaller pieces are collected: a body in pieces of one byte would be a list of many times its size."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The most bytes of a body, before and after decompression, and the longest time from its head to its end.

    A body that is `cut` ends at the limit without an error.
    """

    max_bytes: int
    seconds: float
    cut: bool = False

    def to_extensions(self) -> dict[str, Any]:
        """Returns what gives them to one request of httpx."""
        return {_EXTENSION: self}


ANSWER: Final = BodyLimits(32 * MEBIBYTE, 300.0)
"""A diarization of 24 hours of lively talk has some 5 MB; the service makes none above 20 MiB."""

MAX_SPEECH_ANSWER_BYTES: Final = 16 * MEBIBYTE
"""A recogniser's answer for an hour with a time for each token has some 3 MB."""

_REFUSAL: Final = BodyLimits(MAX_REFUSAL_BYTES, 60.0, cut=True)


def file_limits(max_bytes: int) -> BodyLimits:
    """Returns the limits of a file that has at most so many bytes."""
    return BodyLimits(max_bytes, ANSWER.seconds + max_bytes / SLOWEST_BYTES_PER_SECOND)


def speech_limits(timeout_seconds: float) -> BodyLimits:
    """Returns the limits of a recogniser's answer; `timeout_seconds` is how long it may take to begin."""
    return BodyLimits(MAX_SPEECH_ANSWER_BYTES, max(timeout_seconds, ANSWER.seconds))


class BoundedBody:
    """Takes the pieces of a body and returns them decompressed. Raises BadAnswerError or SlowAnswerError at a limit."""

    def __init__(
        self, limits: BodyLimits, coding: str, url: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises BadAnswerError for a coding that nobody requested."""
        coding = coding.strip().lower()
        if coding not in ("", "identity", *_CODINGS):
            raise BadAnswerError(f"{url} answered in a coding that was not requested ({coding[:40]}).")
        self._limits = limits
        self._url = url
        self._clock = clock
        self._end = clock() + limits.seconds
        self._inflate = zlib.decompressobj(_AUTOMATIC) if coding in _CODINGS else None
        self._taken_bytes = 0
        self._pieces = 0
        self._given_bytes = 0
        self._pending = bytearray()
        self.is_full = False
        """Whether a body that is cut has reached its limit."""

    def take(self, piece: bytes) -> bytes:
        """Returns what the piece holds, with what was too little to be returned before; empty if it still is."""
        if self._clock() > self._end:
            raise SlowAnswerError(f"The answer of {self._url} was not complete after {self._limits.seconds:.0f} s.")
        self._taken_bytes += len(piece)
        self._pieces += 1
        if self._pieces > _MOST_PIECES + self._taken_bytes / _SMALL_PIECE_BYTES:
            raise BadAnswerError(f"The answer of {self._url} came in too many pieces.")
        data = piece if self._inflate is None else self._decompressed(piece)
        room = self._limits.max_bytes - self._given_bytes
        if len(data) > room or self._taken_bytes > self._limits.max_bytes:
            if not self._limits.cut:
                raise BadAnswerError(
                    f"The answer of {self._url} is larger than {_size(self._limits.max_bytes)}, which no good one is."
                )
            self.is_full = True
            data = data[:room]
        self._given_bytes += len(data)
        self._pending += data
        return b"" if len(self._pending) < _PIECE_BYTES else self.take_pending()

    def take_pending(self) -> bytes:
        """Returns what is left at the end."""
        data, self._pending = bytes(self._pending), bytearray()
        return data

    def _decompressed(self, piece: bytes) -> bytes:
        """Returns at most one byte more than there is room for. Raises DecodingError, as httpx itself does."""
        assert self._inflate is not None
        longest = self._limits.max_bytes - self._given_bytes + 1
        try:
            return self._inflate.decompress(piece, longest)
        except zlib.error:
            raise httpx.DecodingError("the compressed answer cannot be read") from None


def _size(size_bytes: int) -> str:
    return f"{size_bytes / MEBIBYTE:.0f} MiB" if size_bytes >= MEBIBYTE else f"{size_bytes} bytes"


def _bounded(response: httpx.Response, default: BodyLimits) -> BoundedBody:
    limits = response.request.extensions.get(_EXTENSION, default)
    if not response.is_success:
        limits = _REFUSAL
    address = str(response.request.url.copy_with(userinfo=b"", query=None))
    body = BoundedBody(limits, response.headers.get("content-encoding", ""), address)
    response.headers.pop("content-encoding", None)  # httpx must not decompress it again
    return body


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, stream: Any, body: BoundedBody) -> None:
        self._stream = stream
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._stream:
                if data := self._body.take(piece):
                    yield data
                if self._body.is_full:
                    break
        except httpx.TransportError:  # a download goes on behind its last byte
            yield self._body.take_pending()
            raise
        yield self._body.take_pending()

    def close(self) -> None:
        self._stream.close()


class _BoundedAsyncStream(httpx.AsyncByteStream):
    def __init__(self, stream: Any, body: BoundedBody) -> None:
        self._stream = stream
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream:
                if data := self._body.take(piece):
                    yield data
                if self._body.is_full:
                    break
        except httpx.TransportError:  # a download goes on behind its last byte
            yield self._body.take_pending()
            raise
        yield self._body.take_pending()

    async def aclose(self) -> None:
        await self._stream.aclose()


def event_hooks(default: BodyLimits = ANSWER) -> dict[str, list[Callable[..., Any]]]:
    """Returns the `event_hooks` of an httpx.Client. A request may have limits of its own in its extensions."""

    def limit(response: httpx.Response) -> None:
        response.stream = _BoundedStream(response.stream, _bounded(response, default))

    return {"response": [limit]}


def async_event_hooks(default: BodyLimits = ANSWER) -> dict[str, list[Callable[..., Any]]]:
    """Returns the `event_hooks` of an httpx.AsyncClient. A request may have limits of its own in its extensions."""

    async def limit(response: httpx.Response) -> None:
        response.stream = _BoundedAsyncStream(response.stream, _bounded(response, default))

    return {"response": [limit]}
