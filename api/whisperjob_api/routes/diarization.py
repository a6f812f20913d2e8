"""The routes of diarization: starting one, and reading its state and result."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BeforeValidator
from starlette.requests import Request
from starlette.responses import Response

from whisperjob.model.phase import Phase
from whisperjob.model.resource import WhisperJob
from whisperjob.model.timeline import Timeline, from_channels, to_rttm
from whisperjob_api.auth import note_job
from whisperjob_api.diarization_requests import ensure_diarization, to_request
from whisperjob_api.diarization_views import RTTM_MEDIA_TYPE, find_current_state, to_diarization_view
from whisperjob_api.error_responses import error_table
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.job_results import DamagedResultError
from whisperjob_api.schemas import DiarizationView, DiarizeRequest, DiarizeStarted
from whisperjob_api.services import ApiServices, JobId, Services, Tenant
from whisperjob_api.unknown_names import WarningRoute

router = APIRouter(tags=["diarization"], route_class=WarningRoute)

_COMMON_ERRORS = (HttpCode.NOT_FOUND, HttpCode.NOT_COMPLETED, HttpCode.INVALID_REQUEST, HttpCode.UNAVAILABLE)
_RTTM: dict[str, Any] = {RTTM_MEDIA_TYPE: {"schema": {"type": "string"}}}


@router.post(
    "/diarize",
    status_code=202,
    summary="Find out who speaks when in a completed job",
    responses=error_table(
        *_COMMON_ERRORS,
        HttpCode.TOO_LARGE,
        HttpCode.REQUEST_TIMEOUT,
        HttpCode.DIARIZATION_RUNNING,
        HttpCode.DIARIZATION_UNAVAILABLE,
    ),
)
async def diarize(request: Request, services: Services, tenant: Tenant, body: DiarizeRequest) -> DiarizeStarted:
    """A repeated request with the same numbers changes nothing: a running diarization continues, a result stays.

    The speakers of a multichannel job are its channels: its result needs no diarizer and no request.
    """
    note_job(request, body.job_id)
    job, _ = await services.get_completed_job(body.job_id, tenant)
    if job.spec.multichannel:
        return DiarizeStarted(job_id=job.name, message="The channels are the speakers; the result is there")
    updated = await ensure_diarization(
        job, to_request(body), services.records, unavailable=services.no_diarizer_message
    )
    services.cache.put(updated)
    return DiarizeStarted(job_id=job.name)


@router.get(
    "/diarize/{job_id}",
    summary="Status and result of the diarization",
    response_model=DiarizationView,
    responses={200: {"content": _RTTM}, **error_table(*_COMMON_ERRORS)},
)
async def diarization(
    services: Services,
    tenant: Tenant,
    job_id: JobId,
    format: Annotated[  # noqa: A002 - the query's own name
        Literal["json", "rttm"],
        BeforeValidator(lambda value: value.strip() or "json"),
        Query(description="rttm: the segments alone, as NIST's RTTM; only of a completed one"),
    ] = "json",
) -> Response:
    job = await services.get_job(job_id, tenant)
    if job.spec.diarization is None and not job.spec.multichannel:
        raise RequestError(HttpCode.NOT_FOUND, "No diarization of this job was requested.")
    if job.status.phase is Phase.ERROR:
        raise RequestError(HttpCode.NOT_COMPLETED, "The job failed; it has no output.")
    timeline = await _find_timeline(services, job)
    if format == "json":
        view = to_diarization_view(job, timeline)
        return Response(view.model_dump_json(by_alias=True, exclude_unset=True), media_type="application/json")
    if timeline is None:
        raise RequestError(HttpCode.NOT_COMPLETED, "The diarization is not completed.")
    return Response(to_rttm(job.name, timeline), media_type=RTTM_MEDIA_TYPE)


async def _find_timeline(services: ApiServices, job: WhisperJob) -> Timeline | None:
    """Returns the timeline of the latest diarization, or of the channels; None if it is not there yet."""
    if job.spec.multichannel:
        if job.status.output is None:
            raise RequestError(HttpCode.NOT_COMPLETED, "The job is not completed.")
        manifest = await services.results.manifest(job.status.output)
        if manifest.channel_activity is None:
            raise DamagedResultError("a multichannel job without its channels' activity")
        return from_channels(manifest.channel_activity, manifest.duration_seconds)
    state = find_current_state(job)
    return await services.results.timeline(state) if state and state.result_sha256 else None
