"""Sends an object, whole or in part.

The first piece is read before the headers are sent, so that a missing object is an error and never a broken 200.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from whisperjob.model.errors import ObjectNotFoundError
from whisperjob.model.manifest import ChunkEntry, TrimEntry
from whisperjob.stores.port import ObjectStore
from whisperjob_api.error_responses import error_response
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.ranges import NotModified, Part, Unsatisfiable, select_range
from whisperjob_api.thread_pools import ThreadPools, run_uninterrupted

MEDIA_TYPE = "audio/mpeg"
_REDIRECT_LIFETIME = timedelta(minutes=10)
"""Long enough to begin a transfer; one that has begun continues after it."""

_FORBIDDEN = frozenset('/\\:*?"<>|%;')


def format_disposition(original: str, filename: str) -> str:
    """Formats Content-Disposition: the recording's own name, then the name of the file.

    A recording `talk.mp4` gives `talk.mp3`, `talk.chunk_000.mp3`, `talk.trimmed.mp3`.
    """
    name = original.replace("\\", "/").rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    stem = "".join("_" if c in _FORBIDDEN else c for c in stem).strip(" .")[:100]
    if not stem:
        return f'attachment; filename="{filename}"'
    shown = f"{stem}.mp3" if filename == "output.mp3" else f"{stem}.{filename}"
    plain = shown.encode("ascii", "replace").decode().replace("?", "_")
    encoded = quote(shown.encode("utf-8", "replace"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


async def respond_with_object(
    store: ObjectStore,
    threads: ThreadPools,
    key: str,
    entry: ChunkEntry | TrimEntry,
    request_headers: Mapping[str, str],
    *,
    head: bool,
    disposition: str,
) -> Response:
    """Returns the response for one file: its bytes, or a redirect to the store where clients can reach it.

    Raises ObjectNotFoundError and StoreUnavailableError before anything is sent.
    """
    etag = f'"{entry.sha256}"'
    size = entry.size_bytes
    selection = select_range(
        size,
        etag,
        range_=None if head else request_headers.get("range"),
        if_range=request_headers.get("if-range"),
        if_none_match=request_headers.get("if-none-match"),
    )
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": disposition,
    }
    match selection:
        case NotModified():
            return Response(status_code=304, headers=headers)
        case Unsatisfiable():
            error = RequestError(HttpCode.RANGE_NOT_SATISFIABLE, f"The file has only {size} bytes.")
            return error_response(error, {"Content-Range": f"bytes */{size}"})
        case Part(start, length):
            status, headers["Content-Range"] = 206, selection.format_content_range(size)
        case _:
            status, start, length = 200, 0, size
    headers["Content-Length"] = str(length)
    if head:
        if await threads.run(store.stat, key) is None:
            raise ObjectNotFoundError(key)
        return Response(status_code=status, headers=headers, media_type=MEDIA_TYPE)
    if location := store.grant_download(key, _REDIRECT_LIFETIME, MEDIA_TYPE, disposition):
        return Response(status_code=307, headers={"Location": location, "Cache-Control": "no-store"})
    first, stream = await threads.run_download(_open, store, key, start, length)
    return StreamingResponse(_send_pieces(threads, first, stream), status, headers, MEDIA_TYPE)


def _open(store: ObjectStore, key: str, start: int, length: int) -> tuple[bytes, Iterator[bytes]]:
    """Opens an object; returns its first piece, and the stream of the following ones."""
    stream = store.read(key, start, length)
    return next(stream, b""), stream


async def _send_pieces(threads: ThreadPools, first: bytes, stream: Iterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        while piece := await threads.run_download(next, stream, b""):
            yield piece
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            await run_uninterrupted(threads.run_download(close))
