"""Who speaks when: ask for it, and read what came of it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from whisperjob.model.phase import Phase
from whisperjob.model.timeline import to_rttm
from whisperjob_api import timelines
from whisperjob_api.diarizing import ensure_diarization, to_request
from whisperjob_api.error_responses import error_table
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.schemas import DiarizationView, DiarizeRequest, DiarizeStarted
from whisperjob_api.services import JobId, Tenant, Use

router = APIRouter(tags=["diarization"])

_FAULTS = (HttpCode.NOT_FOUND, HttpCode.NOT_COMPLETED, HttpCode.INVALID_REQUEST, HttpCode.UNAVAILABLE)
_RTTM: dict[str, Any] = {timelines.RTTM_MEDIA_TYPE: {"schema": {"type": "string"}}}


@router.post(
    "/diarize",
    status_code=202,
    summary="Find out who speaks when in a completed job",
    responses=error_table(
        *_FAULTS,
        HttpCode.TOO_LARGE,
        HttpCode.REQUEST_TIMEOUT,
        HttpCode.DIARIZATION_RUNNING,
        HttpCode.DIARIZATION_UNAVAILABLE,
    ),
)
async def diarize(use: Use, tenant: Tenant, body: DiarizeRequest) -> DiarizeStarted:
    """Asked again with the same numbers it changes nothing: the running one goes on, a result stands."""
    job, _ = await use.completed_job(body.job_id, tenant)
    unavailable = None if use.api.diarizes else use.api.no_diarizer
    asked = await ensure_diarization(job, to_request(body), use.api.records, unavailable=unavailable)
    use.api.cache.put(asked)
    return DiarizeStarted(job_id=job.name)


@router.get(
    "/diarize/{job_id}",
    summary="Status and result of the diarization",
    response_model=DiarizationView,
    responses={200: {"content": _RTTM}, **error_table(*_FAULTS)},
)
async def diarization(
    use: Use,
    tenant: Tenant,
    job_id: JobId,
    format: Annotated[  # noqa: A002 - the query's own name
        Literal["json", "rttm"], Query(description="rttm: the segments alone, as NIST's RTTM; only of a completed one")
    ] = "json",
) -> Response:
    job = await use.job(job_id, tenant)
    if job.spec.diarization is None:
        raise RequestError(HttpCode.NOT_FOUND, "Nobody has asked who speaks in this job.")
    if job.status.phase is Phase.ERROR:
        raise RequestError(HttpCode.NOT_COMPLETED, "The job failed; it has no output.")
    state = timelines.answered(job)
    timeline = await use.results.timeline(state) if state and state.result_sha256 else None
    if format == "json":
        view = timelines.diarization_view(job, timeline)
        return Response(view.model_dump_json(by_alias=True, exclude_unset=True), media_type="application/json")
    if timeline is None:
        raise RequestError(HttpCode.NOT_COMPLETED, "The diarization is not completed.")
    return Response(to_rttm(job.name, timeline), media_type=timelines.RTTM_MEDIA_TYPE)
