"""Converts every error of the API, also the framework's, to `{"error", "code"}`: one mapping, one shape."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match

from whisperjob.model.errors import (
    ObjectNotFoundError,
    RecordConflictError,
    RecordExistsError,
    RecordNotFoundError,
    RecordsFullError,
    RecordsUnavailableError,
    RecordUnreadableError,
    StoreFullError,
    StoreUnavailableError,
)
from whisperjob.model.names import to_printable
from whisperjob_api.errors import HTTP_STATUS, HttpCode, RequestError
from whisperjob_api.schemas import ErrorBody

log = logging.getLogger(__name__)

UNAVAILABLE_RETRY_SECONDS = 5
"""A store or the records restart within seconds."""

FULL_RETRY_SECONDS = 60
"""Space becomes free when jobs end or expire."""

_STATUS_CODES: dict[int, HttpCode] = {
    404: HttpCode.NOT_FOUND,
    405: HttpCode.METHOD_NOT_ALLOWED,
    413: HttpCode.TOO_LARGE,
}

_SENTENCES = {
    HttpCode.INVALID_REQUEST: "The request cannot be understood.",
    HttpCode.NOT_FOUND: "There is nothing here.",
    HttpCode.METHOD_NOT_ALLOWED: "This method is not allowed here.",
    HttpCode.TOO_LARGE: "The request is too large.",
    HttpCode.RECORD_UNREADABLE: "The record of this job cannot be read; the log of the service says why.",
    HttpCode.INTERNAL: "Something went wrong on our side.",
}


def to_request_error(error: Exception) -> RequestError:
    """Converts an error to the one that the caller gets. It never has a path, a key or a traceback."""
    match error:
        case RequestError():
            return error
        case RequestValidationError():
            return RequestError(HttpCode.INVALID_REQUEST, _describe_invalid(error.errors()))
        case HTTPException():
            default = HttpCode.INVALID_REQUEST if error.status_code < 500 else HttpCode.INTERNAL
            code = _STATUS_CODES.get(error.status_code, default)
            return RequestError(code, _SENTENCES[code])
        case StoreFullError() | RecordsFullError():
            return RequestError(
                HttpCode.INSUFFICIENT_STORAGE,
                "There is no room left in the store.",
                retry_after_seconds=FULL_RETRY_SECONDS,
            )
        case StoreUnavailableError():
            return unavailable("The object store does not answer; try again soon.")
        case RecordsUnavailableError():
            return unavailable("The job records do not answer; try again soon.")
        case ObjectNotFoundError():
            return RequestError(HttpCode.NOT_FOUND, "This file does not exist any more.")
        case RecordNotFoundError():
            return job_not_found()
        case RecordUnreadableError():
            return RequestError(HttpCode.RECORD_UNREADABLE, _SENTENCES[HttpCode.RECORD_UNREADABLE])
        case RecordExistsError() | RecordConflictError():
            return RequestError(HttpCode.CONFLICT, "The job changed meanwhile; try again.", retry_after_seconds=1)
        case _:
            return RequestError(HttpCode.INTERNAL, _SENTENCES[HttpCode.INTERNAL])


def unavailable(sentence: str, retry_after_seconds: int = UNAVAILABLE_RETRY_SECONDS) -> RequestError:
    """Returns the error of a service that cannot do it now."""
    return RequestError(HttpCode.UNAVAILABLE, sentence, retry_after_seconds=retry_after_seconds)


def job_not_found() -> RequestError:
    """Returns the error of an unknown job."""
    return RequestError(HttpCode.NOT_FOUND, "There is no job with this id.")


def error_response(error: RequestError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Builds the response of an error, with additional headers."""
    extra = dict(headers or {})
    if error.retry_after_seconds is not None:
        extra["Retry-After"] = str(error.retry_after_seconds)
    if error.code is HttpCode.UNSUPPORTED_ENCODING:
        extra["Accept-Encoding"] = "identity"
    body = ErrorBody(error=error.message, code=error.code)
    return JSONResponse(body.model_dump(), error.http_status, headers=extra)


async def handle_error(request: Request, error: Exception) -> JSONResponse:
    """Handles an exception of a route: the app's exception handler."""
    request_error = to_request_error(error)
    if request_error.code is HttpCode.INTERNAL:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    if request_error.code is HttpCode.METHOD_NOT_ALLOWED:
        return _refuse_method(request.method, ", ".join(_list_methods(request)))
    return error_response(request_error)


def _refuse_method(method: str, allowed: str) -> JSONResponse:
    """The sentence repeats the header `Allow`: curl shows the body only, and its option -T sends PUT by default."""
    sentence = f"{to_printable(method)[:20]} is not allowed here; allowed are {allowed}."
    return error_response(RequestError(HttpCode.METHOD_NOT_ALLOWED, sentence), {"Allow": allowed})


def _list_methods(request: Request) -> list[str]:
    """Lists every method of this path; the framework lists only those of the first route that matches it."""
    routes: Sequence[BaseRoute] = request.app.routes
    methods = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return ["GET", "HEAD", *methods[1:]] if methods[:1] == ["GET"] else methods


_KEY_CODES = (
    HttpCode.UNAUTHORIZED,
    HttpCode.KEY_EXPIRED,
    HttpCode.KEY_REVOKED,
    HttpCode.INSUFFICIENT_SCOPE,
    HttpCode.TOO_MANY_WRONG_KEYS,
)


def error_table(*codes: HttpCode) -> dict[int | str, dict[str, Any]]:
    """Builds FastAPI's `responses` for the errors of a route, also those that every request with a key may get."""
    table: dict[int | str, dict[str, Any]] = {}
    for code in (*_KEY_CODES, HttpCode.RATE_LIMITED, *codes):
        entry = table.setdefault(
            HTTP_STATUS[code],
            {"model": ErrorBody, "description": "", "content": {"application/json": {"examples": {}}}},
        )
        entry["description"] = ", ".join(filter(None, (entry["description"], f"`{code}`")))
        example = {"error": _EXAMPLES.get(code, _SENTENCES.get(code, "…")), "code": code.value}
        entry["content"]["application/json"]["examples"][code.value] = {"value": example}
    return table


_EXAMPLES = {
    HttpCode.UNAUTHORIZED: "The X-API-Key header is missing or wrong.",
    HttpCode.KEY_EXPIRED: "This API key has expired.",
    HttpCode.KEY_REVOKED: "This API key was revoked.",
    HttpCode.INSUFFICIENT_SCOPE: "This API key may not do this: it lacks the scope `delete`.",
    HttpCode.TOO_MANY_WRONG_KEYS: "Too many wrong API keys came from this address; wait before the next one.",
    HttpCode.NOT_FOUND: "There is no job with this id.",
    HttpCode.INVALID_REQUEST: "maxSeconds: Input should be greater than 0.",
    HttpCode.INVALID_UPLOAD: "The form has no field named `file`.",
    HttpCode.EMPTY_FILE: "The file is empty.",
    HttpCode.REQUEST_TIMEOUT: "The request took too long.",
    HttpCode.UPLOAD_TOO_SLOW: "No data arrived for too long.",
    HttpCode.NOT_COMPLETED: "The job is not completed.",
    HttpCode.NOT_RETRYABLE: "The job is completed; there is nothing to run again.",
    HttpCode.IDEMPOTENCY_MISMATCH: "This Idempotency-Key was used for another file or other options.",
    HttpCode.TOO_LARGE: "The file is larger than 524288000 bytes.",
    HttpCode.RANGE_NOT_SATISFIABLE: "The file has only 15938355 bytes.",
    HttpCode.TOO_MANY_JOBS: "Too many jobs are unfinished; wait for some to end.",
    HttpCode.DAILY_LIMIT: "The 100 hours of sound that your tenant may send in 24 hours are used up.",
    HttpCode.RATE_LIMITED: "Too many requests: 100 in 10 seconds are allowed.",
    HttpCode.DIARIZATION_UNAVAILABLE: "This service has no diarizer.",
    HttpCode.DIARIZATION_RUNNING: "A diarization with other numbers is running; wait for it to end.",
    HttpCode.UNAVAILABLE: "The object store does not answer; try again soon.",
    HttpCode.UPLOAD_SLOT_LOST: "The upload gave its place to another tenant that was waiting; send it again.",
    HttpCode.INSUFFICIENT_STORAGE: "There is no room left in the store.",
}


def _describe_invalid(errors: Sequence[Any]) -> str:
    """Returns a sentence about the first error of a validation."""
    first = errors[0] if errors else {}
    where = ".".join(str(part) for part in first.get("loc", ()) if part not in ("body", "query", "path"))
    what = str(first.get("msg", _SENTENCES[HttpCode.INVALID_REQUEST])).removeprefix("Value error, ").rstrip(".")
    if first.get("type") == "json_invalid":
        return "The body is not valid JSON."
    if first.get("loc") == ("body",) and first.get("type") != "value_error":
        return "The body must be a JSON object, sent as application/json."
    return f"{where}: {what}." if where else f"{what}."
