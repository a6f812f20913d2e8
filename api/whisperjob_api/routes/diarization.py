"""Who speaks when. The routes and their shapes stand; until there is a diarizer they say so."""

from typing import NoReturn

from fastapi import APIRouter

from whisperjob.model.errors import HttpCode, RequestError
from whisperjob_api.faults import fault_table
from whisperjob_api.schemas import DiarizationView, DiarizeRequest, DiarizeStarted
from whisperjob_api.services import JobId, Tenant, Use

router = APIRouter(tags=["diarization"])

_FAULTS = (
    HttpCode.NOT_FOUND,
    HttpCode.NOT_COMPLETED,
    HttpCode.INVALID_REQUEST,
    HttpCode.UNAVAILABLE,
    HttpCode.DIARIZATION_UNAVAILABLE,
)
_BODY_FAULTS = (HttpCode.TOO_LARGE, HttpCode.REQUEST_TIMEOUT)


@router.post(
    "/diarize",
    status_code=202,
    summary="Find out who speaks when in a completed job",
    responses=fault_table(*_FAULTS, *_BODY_FAULTS),
)
async def diarize(use: Use, tenant: Tenant, body: DiarizeRequest) -> DiarizeStarted:
    await use.completed_job(body.job_id, tenant)
    _no_diarizer()


@router.get("/diarize/{job_id}", summary="Status and result of the diarization", responses=fault_table(*_FAULTS))
async def diarization(use: Use, tenant: Tenant, job_id: JobId) -> DiarizationView:
    await use.completed_job(job_id, tenant)
    _no_diarizer()


def _no_diarizer() -> NoReturn:
    raise RequestError(HttpCode.DIARIZATION_UNAVAILABLE, "This service has no diarizer.")
