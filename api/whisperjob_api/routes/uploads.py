"""POST /whisper_optimize: every check that needs no body first, then the body, then the record."""

import re
from typing import Any, Final

from fastapi import APIRouter, Header
from starlette.requests import Request

from whisperjob.model import names
from whisperjob.model.settings import ApiSettings
from whisperjob_api import views
from whisperjob_api.clients import client_address
from whisperjob_api.error_responses import error_table
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.form import MAX_OVERHEAD_BYTES, UploadOptions, too_large
from whisperjob_api.listing import of_tenant
from whisperjob_api.middleware import UPLOAD_PATH
from whisperjob_api.multipart import boundary_of
from whisperjob_api.schemas import Accepted
from whisperjob_api.services import Services, Tenant, Use
from whisperjob_api.upload import create_job, store_upload, to_spec

router = APIRouter(tags=["jobs"])

_IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,255}")

_FIELDS: Final = UploadOptions.model_json_schema()


def _described(field: dict[str, Any]) -> dict[str, Any]:
    """A form field's schema: its enum in place, and not nullable, for a form knows no null."""
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    kind = dict(kinds[0])
    reference = kind.pop("$ref", "").rpartition("/")[2]
    kept = {key: value for key, value in field.items() if key not in ("anyOf", "$ref", "title") and value is not None}
    named = {key: value for key, value in _FIELDS["$defs"].get(reference, {}).items() if key in ("type", "enum")}
    return {**kind, **named, **kept}


_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "dependentRequired": {"sampleRate": ["rawFormat"], "channels": ["rawFormat"]},
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "The recording: anything ffmpeg can read, at most 524,288,000 bytes",
                        },
                        **{name: _described(field) for name, field in _FIELDS["properties"].items()},
                    },
                },
                "examples": {"usual": {"value": {"file": "recording.mp4", "profile": "full"}}},
            }
        },
    }
}


@router.post(
    UPLOAD_PATH,
    status_code=202,
    summary="Upload a recording for optimization",
    openapi_extra=_FORM,
    responses=error_table(
        HttpCode.INVALID_UPLOAD,
        HttpCode.EMPTY_FILE,
        HttpCode.UPLOAD_TOO_SLOW,
        HttpCode.IDEMPOTENCY_MISMATCH,
        HttpCode.TOO_LARGE,
        HttpCode.INVALID_REQUEST,
        HttpCode.TOO_MANY_JOBS,
        HttpCode.UNAVAILABLE,
        HttpCode.INSUFFICIENT_STORAGE,
    ),
)
async def whisper_optimize(
    request: Request,
    use: Use,
    tenant: Tenant,
    idempotency_key: str | None = Header(
        default=None,
        description="Up to 255 visible ASCII characters; the same key makes the same job, once",
        json_schema_extra={"pattern": f"^{_IDEMPOTENCY_KEY.pattern}$"},
    ),
) -> Accepted:
    settings = use.api.settings
    use.api.uploads.check_open()
    name = _job_name(tenant, idempotency_key)
    boundary = boundary_of(request.headers.get("content-type"))
    expected_bytes = _expected_bytes(request.headers.get("content-length"), settings)
    free_bytes = await use.threads.call(use.api.store.free_bytes)
    unfinished = [] if use.api.cache.get(name) else _unfinished(use, tenant)
    reservation = use.api.uploads.admit(tenant, expected_bytes, unfinished, free_bytes, settings)
    try:
        key = names.new_upload_key(use.api.records.namespace, name)
        upload = await store_upload(use, request, boundary, key, reservation)
        job = await create_job(use, name, to_spec(upload, tenant, _client(request, settings)))
    finally:
        use.api.uploads.release(reservation)
    return views.accepted(job)


def _job_name(tenant: str, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return names.new_job_name()
    if not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise RequestError(
            HttpCode.INVALID_REQUEST, "Idempotency-Key: it must be 1 to 255 visible ASCII characters, without spaces."
        )
    return names.idempotent_job_name(tenant, idempotency_key)


def _expected_bytes(content_length: str | None, settings: ApiSettings) -> int:
    """What the file may have at most. Raises RequestError if the body alone says that it is too large."""
    if content_length is None or not content_length.isdecimal():
        return settings.max_upload_bytes
    if int(content_length[:20]) > settings.max_upload_bytes + MAX_OVERHEAD_BYTES:
        raise too_large(settings.max_upload_bytes)
    return min(int(content_length), settings.max_upload_bytes)


def _unfinished(use: Services, tenant: str) -> list[Any]:
    return [job for job in of_tenant(use.api.cache.all(), tenant) if not job.status.phase.terminal]


def _client(request: Request, settings: ApiSettings) -> str | None:
    return client_address(
        request.client.host if request.client else None,
        request.headers.getlist("x-forwarded-for"),
        settings.trusted_proxies,
        settings.client_address,
    )
