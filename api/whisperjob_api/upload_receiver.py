"""Receives an upload: its body is parsed as it arrives and stored as it is parsed, whole or not at all.

The object becomes visible only after the body's last byte, so a sender that vanishes before leaves nothing. The record
follows once the object is stored (`job_creation`).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request

from whisperjob.model.settings import ApiSettings
from whisperjob_api.admission import Reservation
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.form import FormReader, UploadForm
from whisperjob_api.pipe import Pipe
from whisperjob_api.services import Services
from whisperjob_api.threads import uninterrupted
from whisperjob_api.upload_rate import Pace


@dataclass(frozen=True, slots=True)
class ReceivedUpload:
    """The file is in the store, the form is understood; no record speaks of it yet."""

    key: str
    sha256: str
    form: UploadForm


async def receive_upload(
    services: Services, request: Request, boundary: bytes, key: str, reservation: Reservation
) -> ReceivedUpload:
    """Reads the whole body and stores its file under `key`. If anything fails, nothing is kept.

    Raises RequestError, StoreError, ClientDisconnect.
    """
    pipe = Pipe()

    def put() -> int:
        try:
            return services.api.store.put(key, pipe)
        finally:
            pipe.abandon()

    storing = asyncio.create_task(services.threads.upload(put))
    try:
        form = await _pump(services.api.settings, request, boundary, pipe, reservation)
        pipe.finish()
        # Shielded: cancelling this wait must not leave a thread behind that nobody waits for.
        kept_bytes = await asyncio.shield(storing)
        assert form is not None, "a store that stops reading raises why"
        assert kept_bytes == form.file_bytes, "a store that returns has read everything"
    except BaseException:
        pipe.break_off()
        await uninterrupted(_undo(services, storing, key))
        raise
    return ReceivedUpload(key, pipe.sha256, form)


async def _pump(
    settings: ApiSettings, request: Request, boundary: bytes, pipe: Pipe, reservation: Reservation
) -> UploadForm | None:
    """Passes the file on to the pipe until the body ends; None if the reader of the pipe stopped before."""
    reader = FormReader(boundary, settings.max_upload_bytes)
    async for data in _paced(request, settings):
        for piece in reader.feed(data):
            if not await pipe.write(piece):
                return None
        reservation.received_bytes = reader.file_bytes
    return reader.finish()


async def _undo(services: Services, storing: asyncio.Task[int], key: str) -> None:
    await asyncio.wait([storing])
    if not storing.cancelled() and storing.exception() is None:
        await services.threads.call(services.api.store.delete, key)


async def _paced(request: Request, settings: ApiSettings) -> AsyncIterator[bytes]:
    """The body's pieces. Raises RequestError when the sender stands still or crawls."""
    pace = Pace(settings.min_upload_bytes_per_second)
    idle = settings.upload_idle_timeout.total_seconds()
    pieces = request.stream().__aiter__()
    while True:
        began = time.monotonic()
        try:
            async with asyncio.timeout(idle):
                data = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise RequestError(HttpCode.UPLOAD_TOO_SLOW, "The upload stood still for too long.") from None
        if pace.too_slow(time.monotonic() - began, len(data)):
            raise RequestError(
                HttpCode.UPLOAD_TOO_SLOW,
                f"The upload is slower than {settings.min_upload_bytes_per_second} bytes a second.",
            )
        yield data
