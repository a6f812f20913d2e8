"""Creates the record of a received upload, or returns the record that the same request created before.

The object is stored before its record. If the record cannot be created, the object is deleted.
"""

from whisperjob.model import names
from whisperjob.model.errors import RecordExistsError, RecordNotFoundError, RecordsFullError, RecordsUnavailableError
from whisperjob.model.resource import Source, Spec, WhisperJob
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.services import ApiServices
from whisperjob_api.thread_pools import run_uninterrupted
from whisperjob_api.upload_receiver import ReceivedUpload

_MAX_TRIES = 3
"""A record that exists when it is created and is absent when it is read was deleted in between."""

_MAX_CONTENT_TYPE = 127


def to_spec(upload: ReceivedUpload, tenant: str, client_ip: str | None) -> Spec:
    """Converts a received upload to the spec of its job."""
    form, options = upload.form, upload.form.options
    return Spec(
        source=Source(
            key=upload.key,
            filename=names.display_filename(form.filename),
            size_bytes=form.file_bytes,
            sha256=upload.sha256,
            content_type=_sanitize_content_type(form.content_type),
            raw_format=options.raw_format,
            sample_rate=options.sample_rate,
            channels=options.channels,
        ),
        client_ip=client_ip,
        tenant=tenant,
        profile=options.profile,
        max_chunk_seconds=options.max_chunk_seconds,
        track=options.track,
        language=options.language,
        multichannel=options.multichannel,
    )


def _sanitize_content_type(content_type: str | None) -> str | None:
    """Returns the declared media type if it is short and printable."""
    if (
        content_type
        and content_type.isascii()
        and content_type.isprintable()
        and len(content_type) <= _MAX_CONTENT_TYPE
    ):
        return content_type
    return None


def is_same_request(old: Spec, new: Spec) -> bool:
    """Returns whether a repeated Idempotency-Key came with the same bytes and the same options as before."""
    return (
        old.tenant == new.tenant
        and old.source.sha256 is not None
        and (old.source.sha256, old.source.size_bytes) == (new.source.sha256, new.source.size_bytes)
        and old.audio_options == new.audio_options
    )


async def create_job(services: ApiServices, name: str, spec: Spec) -> WhisperJob:
    """Creates the record. If the same request created it before, returns that one and deletes this upload's object.

    It runs to its end even if the caller is cancelled, because an object without a record is of no use. Raises
    RequestError `idempotency_mismatch`, RecordError.
    """
    return await run_uninterrupted(_create_job(services, name, spec))


async def _create_job(services: ApiServices, name: str, spec: Spec) -> WhisperJob:
    try:
        job = await _create_or_get(services, name, spec)
    except RecordsFullError:
        await _delete_source(services, spec)
        raise
    except RecordsUnavailableError:
        job = await _resolve_unknown_outcome(services, name, spec)
    except BaseException:
        await _delete_source(services, spec)
        raise
    if job.spec.source.key != spec.source.key:
        await _delete_source(services, spec)
        if not is_same_request(job.spec, spec):
            raise RequestError(
                HttpCode.IDEMPOTENCY_MISMATCH, "This Idempotency-Key was used for another file or other options."
            )
    services.cache.put(job)
    return job


async def _create_or_get(services: ApiServices, name: str, spec: Spec) -> WhisperJob:
    for _ in range(_MAX_TRIES):
        try:
            return await services.records.create(name, spec)
        except RecordExistsError:
            try:
                return await services.records.get(name)
            except RecordNotFoundError:
                continue
    raise RecordExistsError(name)


async def _resolve_unknown_outcome(services: ApiServices, name: str, spec: Spec) -> WhisperJob:
    """Returns the record if `create` took effect although its response was lost.

    If that cannot be found out either, the object stays: the engine sweeps it within a day if no record names it.
    """
    try:
        return await services.records.get(name)
    except RecordNotFoundError:
        await _delete_source(services, spec)
        raise RecordsUnavailableError("the record could not be created") from None


async def _delete_source(services: ApiServices, spec: Spec) -> None:
    await services.threads.run(services.store.delete, spec.source.key)
