"""Lets web pages of other origins call the API (CORS): the origins are a setting, and there is none by default."""

from collections.abc import Sequence
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from whisperjob_api.auth import HEADER

METHODS: Final = ("GET", "HEAD", "POST", "DELETE")
REQUEST_HEADERS: Final = (
    HEADER,
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Range",
    "If-Range",
    "If-None-Match",
)
RESPONSE_HEADERS: Final = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "ETag",
    "Location",
    "Retry-After",
)
"""What a page may read of a response, besides the few headers that every page may read."""
MAX_AGE_SECONDS: Final = 600
"""How long a browser remembers the answer to a preflight: each upload would have one otherwise."""


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Answers preflights of pages from these origins, and lets the pages read every response, errors included.

    Call it after all other middleware is added: a preflight has no API key, and must be answered first.
    The key is a header that the page sets, so no credentials of the browser (cookies) are allowed.
    """
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=REQUEST_HEADERS,
        expose_headers=RESPONSE_HEADERS,
        max_age=MAX_AGE_SECONDS,
    )
