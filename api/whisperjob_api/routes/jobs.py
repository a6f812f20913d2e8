"""Jobs: one, many, counted, deleted, and their files."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BeforeValidator
from starlette.requests import Request
from starlette.responses import Response

from whisperjob.model.manifest import ChunkEntry, TrimEntry
from whisperjob.model.resource import Output, WhisperJob
from whisperjob_api import listing, views
from whisperjob_api.downloads import MEDIA_TYPE, attachment, send_object
from whisperjob_api.error_responses import error_table
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.middleware import is_head
from whisperjob_api.schemas import JobPage, JobState, JobView, Stats
from whisperjob_api.services import FileName, JobId, Services, Tenant, Use
from whisperjob_api.trimming import chunk_prefix

router = APIRouter(tags=["jobs"])

_BLANK_IS_ABSENT = BeforeValidator(lambda value: value or None)
_PHASES = {state: phase for phase, state in views.JOB_STATES.items()}
_AUDIO: dict[str, Any] = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}


@router.get("/stats", summary="How many jobs, from whom", responses=error_table())
async def stats(use: Use, tenant: Tenant) -> Stats:
    return listing.stats(listing.of_tenant(use.api.cache.all(), tenant))


@router.get(
    "/jobs",
    summary="Jobs, newest first",
    response_model_exclude_unset=True,
    responses=error_table(HttpCode.INVALID_REQUEST),
)
async def jobs(
    use: Use,
    tenant: Tenant,
    status: Annotated[JobState | None, _BLANK_IS_ABSENT, Query(description="Only jobs in this state")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Jobs a page")] = 50,
    cursor: Annotated[str | None, Query(description="`nextCursor` of the page before")] = None,
) -> JobPage:
    found, next_cursor = listing.page(
        listing.of_tenant(use.api.cache.all(), tenant),
        phase=_PHASES[status] if status else None,
        limit=limit,
        cursor=cursor or None,
    )
    return JobPage(jobs=[views.job_summary(job) for job in found], next_cursor=next_cursor)


@router.get(
    "/job/{job_id}",
    summary="Status of a job, and its chunks once it is completed",
    response_model=JobView,
    responses=error_table(HttpCode.NOT_FOUND, HttpCode.INVALID_REQUEST, HttpCode.UNAVAILABLE),
)
async def job(use: Use, tenant: Tenant, job_id: JobId) -> Response:
    found = await use.job(job_id, tenant)
    return Response(await use.results.view(found), media_type="application/json")


@router.delete(
    "/job/{job_id}",
    status_code=204,
    summary="Delete a job and everything of it; running work is stopped",
    responses=error_table(HttpCode.NOT_FOUND, HttpCode.INVALID_REQUEST, HttpCode.UNAVAILABLE),
)
async def delete_job(use: Use, tenant: Tenant, job_id: JobId) -> None:
    found = await use.job(job_id, tenant)
    await use.api.records.delete(found.name, found.uid)
    use.api.cache.forget(found)


@router.get(
    "/job/{job_id}/download/{filename}",
    summary="Download an MP3 of a completed job",
    response_class=Response,
    responses={
        200: {"description": "The file", "content": _AUDIO},
        206: {"description": "The part of it that Range asked for", "content": _AUDIO},
        304: {"description": "The caller has it already (If-None-Match)"},
        307: {"description": "The store itself has it, at `Location`, where the service is set up so; send it no key"},
        **error_table(HttpCode.NOT_FOUND, HttpCode.NOT_COMPLETED, HttpCode.RANGE_NOT_SATISFIABLE, HttpCode.UNAVAILABLE),
    },
)
async def download(request: Request, use: Use, tenant: Tenant, job_id: JobId, filename: FileName) -> Response:
    found, output = await use.completed_job(job_id, tenant)
    key, entry = await _file(use, found, output, filename)
    return await send_object(
        use.api.store,
        use.threads,
        key,
        entry,
        request.headers,
        head=is_head(request.scope),
        disposition=attachment(found.spec.source.filename, entry.filename),
    )


async def _file(use: Services, found: WhisperJob, output: Output, filename: str) -> tuple[str, ChunkEntry | TrimEntry]:
    """The object behind a name of the manifest, or else of the latest trim. Nothing else exists."""
    manifest = await use.results.manifest(output)
    for chunk in manifest.chunks:
        if chunk.filename == filename:
            return chunk_prefix(output.manifest_key) + filename, chunk
    trim = await use.results.trim(found)
    for file in trim.files if trim else ():
        if file.filename == filename:
            return file.key, file
    raise RequestError(HttpCode.NOT_FOUND, "The job has no file of this name.")
