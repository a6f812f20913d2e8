"""The route POST /demo_trim: the first seconds of a completed job."""

from fastapi import APIRouter
from starlette.requests import Request

from whisperjob_api import views
from whisperjob_api.auth import note_job
from whisperjob_api.error_responses import error_table
from whisperjob_api.errors import HttpCode
from whisperjob_api.schemas import NotTrimmed, Trimmed, TrimRequest
from whisperjob_api.services import Services, Tenant
from whisperjob_api.trimming import apply_trim, plan_trim
from whisperjob_api.unknown_names import WarningRoute

router = APIRouter(tags=["jobs"], route_class=WarningRoute)


@router.post(
    "/demo_trim",
    summary="Trim a completed job's audio to a length",
    response_model_exclude_none=True,
    responses=error_table(
        HttpCode.NOT_FOUND,
        HttpCode.NOT_COMPLETED,
        HttpCode.TOO_LARGE,
        HttpCode.REQUEST_TIMEOUT,
        HttpCode.INVALID_REQUEST,
        HttpCode.UNAVAILABLE,
        HttpCode.INSUFFICIENT_STORAGE,
    ),
)
async def demo_trim(request: Request, services: Services, tenant: Tenant, body: TrimRequest) -> Trimmed | NotTrimmed:
    note_job(request, body.job_id)
    job, output = await services.get_completed_job(body.job_id, tenant)
    manifest = await services.results.manifest(output)
    parts = plan_trim(manifest, body.max_seconds)
    if parts is None:
        return views.to_not_trimmed(job.name, manifest)
    async with services.lock_trim(job.uid), services.trim_turns.hold(tenant):
        trim = await services.threads.run_trim(
            apply_trim, services.store, job, output, manifest, parts, body.max_seconds
        )
    return views.to_trimmed(job.name, trim, body.max_seconds)
