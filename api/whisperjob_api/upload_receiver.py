"""Receives an upload: its body is parsed as it arrives and stored as it is parsed, whole or not at all.

The object becomes visible only after the last byte of the body, so a sender that vanishes before leaves nothing. The
record is created once the object is stored (`job_creation`).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request

from whisperjob.model.settings import ApiSettings
from whisperjob_api.admission import Reservation
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.services import ApiServices
from whisperjob_api.thread_pools import run_uninterrupted
from whisperjob_api.upload_form import UploadForm, UploadReader
from whisperjob_api.upload_pipe import UploadPipe
from whisperjob_api.upload_rate import UploadRate
from whisperjob_api.upload_slots import UploadSlot


@dataclass(frozen=True, slots=True)
class ReceivedUpload:
    """An upload whose file is in the store and whose form is parsed; it has no record yet."""

    key: str
    sha256: str
    form: UploadForm


async def receive_upload(
    services: ApiServices,
    request: Request,
    reader: UploadReader,
    key: str,
    reservation: Reservation,
    slot: UploadSlot,
) -> ReceivedUpload:
    """Reads the whole body and stores its file under `key`. If anything fails, nothing stays in the store.

    Raises RequestError, StoreError, ClientDisconnect.
    """
    pipe = UploadPipe()

    def put() -> int:
        try:
            return services.store.put(key, pipe)
        finally:
            pipe.close()

    storing = asyncio.create_task(services.threads.run_upload(put))
    try:
        form = await _feed_pipe(services.settings, request, reader, pipe, reservation, slot)
        pipe.finish()
        # Shielded: if this wait is cancelled, the thread must still be waited for.
        stored_bytes = await asyncio.shield(storing)
        assert form is not None, "a store that stops reading raises the reason"
        assert stored_bytes == form.file_bytes, "a store that returns has read everything"
    except BaseException:
        pipe.abort()
        await run_uninterrupted(_delete_stored(services, storing, key))
        raise
    return ReceivedUpload(key, pipe.sha256, form)


async def _feed_pipe(
    settings: ApiSettings,
    request: Request,
    reader: UploadReader,
    pipe: UploadPipe,
    reservation: Reservation,
    slot: UploadSlot,
) -> UploadForm | None:
    """Writes the file to the pipe until the body ends; returns None if the reader of the pipe stopped before."""
    async for data in _receive_body(request, settings, slot):
        for piece in reader.feed(data):
            if not await pipe.write(piece):
                return None
        reservation.received_bytes = reader.file_bytes
    return reader.finish()


async def _delete_stored(services: ApiServices, storing: asyncio.Task[int], key: str) -> None:
    """Waits for the store, and deletes the object if it was stored after all."""
    await asyncio.wait([storing])
    if not storing.cancelled() and storing.exception() is None:
        await services.threads.run(services.store.delete, key)


async def _receive_body(request: Request, settings: ApiSettings, slot: UploadSlot) -> AsyncIterator[bytes]:
    """Yields the pieces of the body.

    Raises RequestError when the sender pauses for too long or is too slow, or when the upload has lost its slot.
    """
    rate = UploadRate(settings.min_upload_bytes_per_second)
    idle_timeout = settings.upload_idle_timeout.total_seconds()
    pieces = request.stream().__aiter__()
    while True:
        began = time.monotonic()
        try:
            async with asyncio.timeout(idle_timeout) as wait:
                with slot.waiting(wait):
                    data = await anext(pieces)
        except StopAsyncIteration:
            slot.complete = True
            return
        except TimeoutError:
            slot.check()
            raise RequestError(HttpCode.UPLOAD_TOO_SLOW, "No data arrived for too long.") from None
        if rate.is_too_slow_after(time.monotonic() - began, len(data)):
            raise RequestError(
                HttpCode.UPLOAD_TOO_SLOW,
                f"The upload is slower than {settings.min_upload_bytes_per_second} bytes a second.",
            )
        slot.check()
        slot.note(len(data))
        yield data
