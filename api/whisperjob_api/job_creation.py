"""Creates the record of a received upload, or finds the record that the same request created before.

The object is stored first. A record that cannot be created takes its object with it.
"""

from whisperjob.model import names
from whisperjob.model.errors import RecordExistsError, RecordNotFoundError, RecordsUnavailableError
from whisperjob.model.resource import Source, Spec, WhisperJob
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.services import Services
from whisperjob_api.threads import uninterrupted
from whisperjob_api.upload_receiver import ReceivedUpload

_CREATE_TRIES = 3
"""A name that exists when created and is gone when read was deleted in between."""

_MAX_CONTENT_TYPE = 127


def to_spec(upload: ReceivedUpload, tenant: str, client_ip: str | None) -> Spec:
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
        and old.audio_options == new.audio_options
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
