"""Lets web pages of other origins call the API (CORS): the origins are a setting, and there is none by default."""

from collections.abc import Sequence
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from whisperjob_api import rate_limit_headers
from whisperjob_api.auth import HEADER
from whisperjob_api.error_responses import error_response
from whisperjob_api.errors import HttpCode, RequestError

METHODS: Final = ("GET", "HEAD", "POST", "DELETE")
REQUEST_HEADERS: Final = (
    HEADER,
    "Authorization",
    "Content-Disposition",
    "Content-Type",
    "Idempotency-Key",
    "Range",
    "If-Range",
    "If-None-Match",
    "X-Filename",
)
RESPONSE_HEADERS: Final = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "ETag",
    "Location",
    rate_limit_headers.LIMIT,
    rate_limit_headers.POLICY,
    "Retry-After",
    "Warning",
)
"""What a page may read of a response, besides the few headers that every page may read."""
MAX_AGE_SECONDS: Final = 600
"""How long a browser remembers the answer to a preflight: each upload would have one otherwise."""


class _CrossOriginMiddleware(CORSMiddleware):
    """Starlette's, with the JSON of all other errors for a preflight that is refused."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        sentence = "A web page of this origin may not send this method or these headers to this service."
        if not self.is_allowed_origin(request_headers["origin"]):
            sentence = "Web pages of this origin may not call this service: WHISPERJOB_CORS_ORIGINS does not name it."
        replaced = ("content-length", "content-type")
        headers = {name: value for name, value in response.headers.items() if name not in replaced}
        headers |= {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        return error_response(RequestError(HttpCode.CROSS_ORIGIN_REFUSED, sentence), headers)


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Answers preflights of pages from these origins, and lets the pages read every response, errors included.

    Call it after all other middleware is added: a preflight has no API key, and must be answered first.
    The key is a header that the page sets, so no credentials of the browser (cookies) are allowed.
    """
    app.add_middleware(
        _CrossOriginMiddleware,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=REQUEST_HEADERS,
        expose_headers=RESPONSE_HEADERS,
        max_age=MAX_AGE_SECONDS,
    )
