"""The worker protocol's server side (model/protocol.py says what passes). Never exposed to users.

Plain Starlette: two routes that parse, call and translate.
"""

from collections.abc import Awaitable, Callable

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from whisperjob.engine.loop import Engine
from whisperjob.engine.ports import TokenVerifier, WorkerIdentity
from whisperjob.model.errors import ClaimRefusedError, StoreError, WhisperJobError
from whisperjob.model.protocol import CLAIM_PATH, PROGRESS_PATH, ProgressPost

_MAX_BODY_BYTES = 4096

Handler = Callable[[WorkerIdentity, Request], Awaitable[Response]]


def create_work_app(engine: Engine, verifier: TokenVerifier) -> Starlette:
    """The ASGI app that workers talk to."""

    async def claim(worker: WorkerIdentity, _: Request) -> Response:
        claimed = await engine.claim(worker)
        return Response(claimed.model_dump_json(by_alias=True), media_type="application/json")

    async def progress(worker: WorkerIdentity, request: Request) -> Response:
        body = await _small_body(request)
        engine.report(worker, ProgressPost.model_validate_json(body))
        return Response(status_code=204)

    def guarded(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            try:
                worker = await verifier.verify(token) if scheme.lower() == "bearer" and token else None
            except WhisperJobError:
                return JSONResponse({"error": "It cannot be told now whose token this is."}, 503)
            if worker is None:
                return JSONResponse({"error": "The token is not one of a living attempt."}, 401)
            try:
                return await handler(worker, request)
            except ClaimRefusedError as error:
                return JSONResponse({"error": str(error)}, 410)
            except ValidationError:
                return JSONResponse({"error": "The body is not what the protocol says."}, 422)
            except StoreError:
                return JSONResponse({"error": "The store does not give what the claim needs."}, 503)

        return endpoint

    return Starlette(
        routes=[
            Route(CLAIM_PATH, guarded(claim), methods=["POST"]),
            Route(PROGRESS_PATH, guarded(progress), methods=["POST"]),
        ]
    )


async def _small_body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BODY_BYTES:
            raise ClaimRefusedError("the body is too long for a progress post")
    return body
