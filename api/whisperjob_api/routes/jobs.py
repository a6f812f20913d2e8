"""The routes of jobs: reading one or many, counting, deleting, and downloading files."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from whisperjob.model.manifest import ChunkEntry, TrimEntry
from whisperjob.model.resource import Output, WhisperJob
from whisperjob_api import listing, views
from whisperjob_api.downloads import MEDIA_TYPE, format_disposition, respond_with_object
from whisperjob_api.error_responses import error_table
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.number_text import to_number
from whisperjob_api.request_middleware import is_head
from whisperjob_api.retrying import ensure_retry
from whisperjob_api.schemas import JobPage, JobState, JobView, Stats
from whisperjob_api.services import ApiServices, FileName, JobId, Services, Tenant
from whisperjob_api.trimming import chunk_prefix
from whisperjob_api.unknown_names import WarningRoute

router = APIRouter(tags=["jobs"], route_class=WarningRoute)

_DEFAULT_LIMIT = 50
_BLANK_IS_ABSENT = BeforeValidator(lambda value: value.strip() or None)
_PHASES = {state: phase for phase, state in views.JOB_STATES.items()}
_AUDIO: dict[str, Any] = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}


@router.get("/stats", summary="How many jobs, from whom", responses=error_table())
async def stats(services: Services, tenant: Tenant) -> Stats:
    return listing.build_stats(listing.filter_by_tenant(services.cache.all(), tenant))


@router.get(
    "/jobs",
    summary="Jobs, newest first",
    response_model_exclude_unset=True,
    responses=error_table(HttpCode.INVALID_REQUEST),
)
async def jobs(
    services: Services,
    tenant: Tenant,
    status: Annotated[JobState | None, _BLANK_IS_ABSENT, Query(description="Only jobs in this state")] = None,
    limit: Annotated[
        Annotated[int, Field(ge=1, le=200)],
        BeforeValidator(lambda value: _DEFAULT_LIMIT if (number := to_number(value)) is None else number),
        Query(description="Jobs a page"),
    ] = _DEFAULT_LIMIT,
    cursor: Annotated[str | None, _BLANK_IS_ABSENT, Query(description="`nextCursor` of the page before")] = None,
) -> JobPage:
    page, next_cursor = listing.take_page(
        listing.filter_by_tenant(services.cache.all(), tenant),
        phase=_PHASES[status] if status else None,
        limit=limit,
        cursor=cursor,
    )
    return JobPage(jobs=[views.to_job_summary(job) for job in page], next_cursor=next_cursor)


@router.get(
    "/job/{job_id}",
    summary="Status of a job, and its chunks once it is completed",
    response_model=JobView,
    responses=error_table(
        HttpCode.NOT_FOUND, HttpCode.INVALID_REQUEST, HttpCode.RECORD_UNREADABLE, HttpCode.UNAVAILABLE
    ),
)
async def job(services: Services, tenant: Tenant, job_id: JobId) -> Response:
    record = await services.get_job(job_id, tenant)
    return Response(await services.results.view(record), media_type="application/json")


@router.delete(
    "/job/{job_id}",
    status_code=204,
    summary="Delete a job and everything of it; running work is stopped",
    responses=error_table(HttpCode.NOT_FOUND, HttpCode.INVALID_REQUEST, HttpCode.UNAVAILABLE),
)
async def delete_job(services: Services, tenant: Tenant, job_id: JobId) -> None:
    await services.delete_job(job_id, tenant)


@router.post(
    "/job/{job_id}/retry",
    status_code=202,
    summary="Run a job again that ended with an error of the service",
    response_model=JobView,
    responses=error_table(
        HttpCode.NOT_FOUND,
        HttpCode.INVALID_REQUEST,
        HttpCode.RECORD_UNREADABLE,
        HttpCode.NOT_RETRYABLE,
        HttpCode.TOO_MANY_JOBS,
        HttpCode.UNAVAILABLE,
    ),
)
async def retry_job(services: Services, tenant: Tenant, job_id: JobId) -> Response:
    """For the error codes `infrastructure`, `start_deadline`, `run_deadline` and `internal`, until the job is deleted.

    The job is queued anew, with all its attempts. A repeated request changes nothing.
    """
    updated = await ensure_retry(services, await services.get_job(job_id, tenant))
    services.cache.put(updated)
    return Response(await services.results.view(updated), status_code=202, media_type="application/json")


@router.get(
    "/job/{job_id}/download/{filename}",
    summary="Download an MP3 of a completed job",
    response_class=Response,
    responses={
        200: {"description": "The file", "content": _AUDIO},
        206: {"description": "The part of the file that Range requested", "content": _AUDIO},
        304: {"description": "The caller has the file already (If-None-Match)"},
        307: {
            "description": "The store has the file, at `Location`, where the service is set up that way; send it no key"
        },
        **error_table(HttpCode.NOT_FOUND, HttpCode.NOT_COMPLETED, HttpCode.RANGE_NOT_SATISFIABLE, HttpCode.UNAVAILABLE),
    },
)
async def download(request: Request, services: Services, tenant: Tenant, job_id: JobId, filename: FileName) -> Response:
    record, output = await services.get_completed_job(job_id, tenant)
    key, entry = await _find_file(services, record, output, filename)
    return await respond_with_object(
        services.store,
        services.threads,
        key,
        entry,
        request.headers,
        head=is_head(request.scope),
        disposition=format_disposition(record.spec.source.filename, entry.filename),
    )


async def _find_file(
    services: ApiServices, job: WhisperJob, output: Output, filename: str
) -> tuple[str, ChunkEntry | TrimEntry]:
    """Returns the key and the entry of a file that the manifest or the latest trim names.

    Raises RequestError `not_found` for any other name.
    """
    manifest = await services.results.manifest(output)
    for chunk in manifest.chunks:
        if chunk.filename == filename:
            return chunk_prefix(output.manifest_key) + filename, chunk
    trim = await services.results.trim(job)
    for file in trim.files if trim else ():
        if file.filename == filename:
            return file.key, file
    raise RequestError(HttpCode.NOT_FOUND, "The job has no file of this name.")
