"""An upload from its first byte to its record: parsed as it arrives, stored as it is parsed, whole or not at all.

The order is: object, then record. The object becomes visible only after the body's last byte, so a sender that
vanishes before leaves nothing; a record that cannot be created takes its object with it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request

from whisperjob.model import names
from whisperjob.model.errors import RecordExistsError, RecordNotFoundError, RecordsUnavailableError
from whisperjob.model.resource import Source, Spec, WhisperJob
from whisperjob.model.settings import ApiSettings
from whisperjob_api.admission import Reservation
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.form import FormReader, UploadForm, UploadOptions
from whisperjob_api.pipe import Pipe
from whisperjob_api.services import Services
from whisperjob_api.threads import uninterrupted
from whisperjob_api.upload_rate import Pace

_CREATE_TRIES = 3
"""A name that exists when created and is gone when read was deleted in between."""

_MAX_CONTENT_TYPE = 127


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """The file is in the store, the form is understood; no record speaks of it yet."""

    key: str
    sha256: str
    form: UploadForm


async def store_upload(
    services: Services, request: Request, boundary: bytes, key: str, reservation: Reservation
) -> StoredUpload:
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
    return StoredUpload(key, pipe.sha256, form)


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


def to_spec(upload: StoredUpload, tenant: str, client_ip: str | None) -> Spec:
    options, form = upload.form.options, upload.form
    return Spec(
        source=Source(
            key=upload.key,
            filename=names.display_filename(form.filename),
            size_bytes=form.file_bytes,
            sha256=upload.sha256,
            content_type=_shown_type(form.content_type),
            raw_format=options.raw_format,
            sample_rate=options.sample_rate,
            channels=options.channels,
        ),
        client_ip=client_ip,
        tenant=tenant,
        profile=options.profile,
        max_chunk_seconds=options.max_chunk_seconds,
    )


def _shown_type(content_type: str | None) -> str | None:
    if (
        content_type
        and content_type.isascii()
        and content_type.isprintable()
        and len(content_type) <= _MAX_CONTENT_TYPE
    ):
        return content_type
    return None


def same_request(old: Spec, new: Spec) -> bool:
    """Whether a repeated Idempotency-Key means the job it made before: same bytes, same options."""
    return (
        old.tenant == new.tenant
        and old.source.sha256 is not None
        and (old.source.sha256, old.source.size_bytes) == (new.source.sha256, new.source.size_bytes)
        and _options(old) == _options(new)
    )


def _options(spec: Spec) -> UploadOptions:
    return UploadOptions.model_construct(
        profile=spec.profile,
        max_chunk_seconds=spec.max_chunk_seconds,
        raw_format=spec.source.raw_format,
        sample_rate=spec.source.sample_rate,
        channels=spec.source.channels,
    )


async def create_job(services: Services, name: str, spec: Spec) -> WhisperJob:
    """Creates the record, or finds the one that the same request made before; then this upload's object goes.

    Runs to its end even if the caller is cancelled: an object without a record helps nobody.
    """
    return await uninterrupted(_create_job(services, name, spec))


async def _create_job(services: Services, name: str, spec: Spec) -> WhisperJob:
    try:
        job = await _create_or_find(services, name, spec)
    except RecordsUnavailableError:
        job = await _settle_doubt(services, name, spec)
    except BaseException:
        await _drop_object(services, spec)
        raise
    if job.spec.source.key != spec.source.key:
        await _drop_object(services, spec)
        if not same_request(job.spec, spec):
            raise RequestError(
                HttpCode.IDEMPOTENCY_MISMATCH, "This Idempotency-Key was used for another file or other options."
            )
    services.api.cache.put(job)
    return job


async def _create_or_find(services: Services, name: str, spec: Spec) -> WhisperJob:
    for _ in range(_CREATE_TRIES):
        try:
            return await services.api.records.create(name, spec)
        except RecordExistsError:
            try:
                return await services.api.records.get(name)
            except RecordNotFoundError:
                continue
    raise RecordExistsError(name)


async def _settle_doubt(services: Services, name: str, spec: Spec) -> WhisperJob:
    """The answer to `create` was lost: it may have happened. If that cannot be told either, the object stays; the
    engine sweeps it in a day if no record ever speaks of it."""
    try:
        return await services.api.records.get(name)
    except RecordNotFoundError:
        await _drop_object(services, spec)
        raise RecordsUnavailableError("the record could not be created") from None


async def _drop_object(services: Services, spec: Spec) -> None:
    await services.threads.call(services.api.store.delete, spec.source.key)
