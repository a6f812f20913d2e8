"""Puts the API together. The program that serves it provides the dependencies and runs their record cache."""

from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

import whisperjob
from whisperjob.model.errors import WhisperJobError
from whisperjob_api.auth import DOCS_ASSETS, ApiKeyMiddleware, describe_key
from whisperjob_api.cross_origin import allow_origins
from whisperjob_api.error_responses import handle_error
from whisperjob_api.keys.key_source import KeySource
from whisperjob_api.keys.scopes import require_scopes
from whisperjob_api.request_middleware import RequestMiddleware
from whisperjob_api.request_rates import RequestRateMiddleware
from whisperjob_api.request_turns import RequestTurnsMiddleware
from whisperjob_api.routes import diarization, jobs, probes, trims, uploads
from whisperjob_api.services import ApiDependencies, ApiServices

__all__ = ["ApiDependencies", "create_app"]

DESCRIPTION: Final = """
Turns any audio or video file into small, loud, clean MP3s for speech recognition.

1. `POST /whisper_optimize` with the file gives a `jobId`.
2. `GET /job/{jobId}` every 2–3 seconds until `status` is `completed` or `error`.
3. `GET` each chunk's `downloadUrl`.

Every error is `{"error": "<for a person>", "code": "<for a program>"}`.
"""


def create_app(dependencies: ApiDependencies) -> FastAPI:
    """Creates the app. Raises ValueError if an entry of the API keys is not valid."""
    app = FastAPIOffline(  # serves /docs from local files: FastAPI's own page loads them from a CDN
        static_url=DOCS_ASSETS,
        swagger_ui_parameters={"validatorUrl": "none"},  # or the page sends the document to a service on the internet
        title="WhisperJob",
        version=whisperjob.__version__,
        description=DESCRIPTION,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    services = ApiServices(dependencies)
    app.state.services = services
    for router in (
        jobs.router,
        uploads.router,
        trims.router,
        diarization.router,
        probes.router,
        probes.build_ready_route(probes.Readiness(services).check),
    ):
        app.router.routes.extend(router.routes)  # include_router would match every request twice
    describe_key(app.openapi())
    for kind in (WhisperJobError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, handle_error)
    require_scopes(app.routes)
    keys = dependencies.keys or KeySource(key.get_secret_value() for key in dependencies.settings.api_keys)
    app.add_middleware(RequestTurnsMiddleware)
    app.add_middleware(RequestRateMiddleware, limits_of=dependencies.settings.limits_of)
    app.add_middleware(ApiKeyMiddleware, keys=keys, settings=dependencies.settings)
    app.add_middleware(RequestMiddleware, settings=dependencies.settings)
    if origins := dependencies.settings.cors_origins:
        allow_origins(app, origins)
    return app
