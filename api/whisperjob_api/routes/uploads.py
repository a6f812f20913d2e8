"""The route POST /whisper_optimize: first every check that needs no body, then the body, then the record."""

import re
from typing import Any, Final

from fastapi import APIRouter, Header
from starlette.requests import Request

from whisperjob.model import names
from whisperjob.model.clock import utc_now
from whisperjob.model.settings import ApiSettings
from whisperjob_api import views
from whisperjob_api.auth import note_job
from whisperjob_api.client_address import resolve_client_address
from whisperjob_api.error_responses import error_table
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.job_creation import create_job, to_spec
from whisperjob_api.listing import list_unfinished
from whisperjob_api.multipart_reader import FORM_TYPE
from whisperjob_api.request_middleware import UPLOAD_PATH
from whisperjob_api.schemas import Accepted
from whisperjob_api.services import Services, Tenant
from whisperjob_api.tenant_usage import check_daily_limits, list_uses
from whisperjob_api.unknown_names import WarningRoute, note_unknown_fields
from whisperjob_api.upload_form import (
    KNOWN_FIELDS,
    MAX_OVERHEAD_BYTES,
    RAW_CHANNELS,
    RAW_SAMPLE_RATE,
    UploadOptions,
    too_large,
)
from whisperjob_api.upload_receiver import receive_upload
from whisperjob_api.upload_request import BODY_TYPES, FILENAME_HEADER, FILENAME_OPTION, open_upload

router = APIRouter(tags=["jobs"], route_class=WarningRoute)

_IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,255}")

_SCHEMA: Final = UploadOptions.model_json_schema()

_DESCRIPTIONS: Final = {
    "profile": "full enhancement, light (band-pass and loudness) or none (conversion only)",
    "maxChunkSeconds": "Longest chunk, beside its 20 MiB",
    "track": "Of several audio tracks: auto (the default), an index (the first is 0), a language (de, deu, German), "
    "or mix (all together)",
    "language": "Language of the speech (de, deu, German); of several tracks, those in it come first",
    "multichannel": "true: one person speaks on each channel; they are treated and transcribed apart",
    "rawFormat": "The file is headerless PCM of this sample layout",
    "sampleRate": f"Of headerless PCM, Hz; {RAW_SAMPLE_RATE} if absent",
    "channels": f"Of headerless PCM, interleaved; {RAW_CHANNELS} if absent",
}
"""What each option means for an upload; `AudioOptions` has the more general descriptions."""


def _build_field_schema(name: str) -> dict[str, Any]:
    """Returns the schema of a form field: its enum in place, not nullable, because a form has no null, and without a
    least length, because a blank field counts as absent."""
    field = _SCHEMA["properties"][name] | {"description": _DESCRIPTIONS[name]}
    types = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]
    schema = {key: value for key, value in types[0].items() if key != "minLength"}
    reference = schema.pop("$ref", "").rpartition("/")[2]
    definition = _SCHEMA["$defs"].get(reference, {})
    enum = {key: value for key, value in definition.items() if key in ("type", "enum")}
    own = {key: value for key, value in field.items() if key not in ("anyOf", "$ref", "title") and value is not None}
    return {**schema, **enum, **own}


_OPTIONS: Final = {name: _build_field_schema(name) for name in _SCHEMA["properties"]}
_FILENAME: Final = "The file's name, where the body is the file itself or its form has no name"
_BODY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary", "minLength": 1}}

_REQUEST: Final[dict[str, Any]] = {
    "parameters": [
        *(
            {
                "name": name,
                "in": "query",
                "schema": schema,
                "description": f"As the form's field: {schema['description']}",
            }
            for name, schema in _OPTIONS.items()
        ),
        {"name": FILENAME_OPTION, "in": "query", "schema": {"type": "string"}, "description": _FILENAME},
        {
            "name": FILENAME_HEADER,
            "in": "header",
            "schema": {"type": "string"},
            "description": f"{_FILENAME}; percent-encoded UTF-8. `Content-Disposition` with `filename*` does the same",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {
            FORM_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "dependentRequired": {"sampleRate": ["rawFormat"], "channels": ["rawFormat"]},
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "minLength": 1,
                            "description": "The recording: anything ffmpeg can read, up to the configured limit "
                            "(500 MB by default)",
                        },
                        **_OPTIONS,
                    },
                },
                "examples": {"usual": {"value": {"file": "recording.mp4", "profile": "full"}}},
            },
            **dict.fromkeys(BODY_TYPES, _BODY),
        },
    },
}


@router.post(
    UPLOAD_PATH,
    status_code=202,
    summary="Upload a recording for optimization",
    openapi_extra=_REQUEST,
    responses=error_table(
        HttpCode.INVALID_UPLOAD,
        HttpCode.EMPTY_FILE,
        HttpCode.UPLOAD_TOO_SLOW,
        HttpCode.IDEMPOTENCY_MISMATCH,
        HttpCode.TOO_LARGE,
        HttpCode.INVALID_REQUEST,
        HttpCode.TOO_MANY_JOBS,
        HttpCode.DAILY_LIMIT,
        HttpCode.UNAVAILABLE,
        HttpCode.UPLOAD_SLOT_LOST,
        HttpCode.INSUFFICIENT_STORAGE,
    ),
)
async def whisper_optimize(
    request: Request,
    services: Services,
    tenant: Tenant,
    idempotency_key: str | None = Header(
        default=None,
        description="Up to 255 visible ASCII characters; a repeated key creates no second job",
        json_schema_extra={"pattern": f"^{_IDEMPOTENCY_KEY.pattern}$"},
    ),
) -> Accepted:
    """The body is a form with the field `file`, or the file itself with its own Content-Type: `audio/…`, `video/…` or
    `application/octet-stream`. Then the options stand in the query; a form's field goes before an option of the query.
    """
    settings = services.settings
    services.upload_gate.check_open()
    name = _choose_job_name(tenant, idempotency_key)
    reader = open_upload(request.headers, request.query_params, settings.max_upload_bytes)
    expected_bytes = _estimate_file_bytes(request.headers.get("content-length"), settings)
    unfinished = [] if services.cache.get(name) else list_unfinished(services.cache.all(), tenant)
    uses = [] if services.cache.get(name) else await list_uses(services, tenant)
    room = await services.measure_room()
    check_daily_limits(
        settings.limits_of(tenant), uses, services.upload_gate.expected_bytes(tenant) + expected_bytes, utc_now()
    )
    need = services.need(expected_bytes)
    reservation = services.upload_gate.admit(tenant, expected_bytes, unfinished, room, settings, need)
    try:
        key = names.new_upload_key(services.records.namespace, name)
        async with services.upload_slots.hold(tenant) as slot:
            upload = await receive_upload(services, request, reader, key, reservation, slot)
        job = await create_job(services, name, to_spec(upload, tenant, _get_client_address(request, settings)))
    finally:
        services.upload_gate.release(reservation)
    note_job(request, job.name)
    note_unknown_fields(request, upload.form.unknown_fields, KNOWN_FIELDS)
    return views.to_accepted(job)


def _choose_job_name(tenant: str, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return names.new_job_name()
    if not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise RequestError(
            HttpCode.INVALID_REQUEST, "Idempotency-Key: it must be 1 to 255 visible ASCII characters, without spaces."
        )
    return names.idempotent_job_name(tenant, idempotency_key)


def _estimate_file_bytes(content_length: str | None, settings: ApiSettings) -> int:
    """Returns the most that the file can have. Raises RequestError if the body is declared to be too large."""
    if content_length is None or not content_length.isdecimal():
        return settings.max_upload_bytes
    if int(content_length[:20]) > settings.max_upload_bytes + MAX_OVERHEAD_BYTES:
        raise too_large(settings.max_upload_bytes)
    return min(int(content_length), settings.max_upload_bytes)


def _get_client_address(request: Request, settings: ApiSettings) -> str | None:
    return resolve_client_address(
        request.client.host if request.client else None,
        request.headers.getlist("x-forwarded-for"),
        settings.trusted_proxies,
        settings.client_address,
    )
