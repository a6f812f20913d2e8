"""The engine's side of the worker protocol (model/protocol.py says what passes). It is never exposed to users.

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
from whisperjob.model.errors import AttemptOverError, ProtocolViolationError, StoreError, WhisperJobError
from whisperjob.model.protocol import CLAIM_PATH, PROGRESS_PATH, ProgressPost

_MAX_BODY_BYTES = 4096

Handler = Callable[[WorkerIdentity, Request], Awaitable[Response]]


class _BodyTooLargeError(WhisperJobError):
    """The body is larger than any progress post."""


def create_work_app(engine: Engine, verifier: TokenVerifier) -> Starlette:
    """Builds the ASGI app that workers speak to."""

    async def claim(worker: WorkerIdentity, _: Request) -> Response:
        answer = await engine.claim(worker)
        return Response(answer.model_dump_json(by_alias=True), media_type="application/json")

    async def progress(worker: WorkerIdentity, request: Request) -> Response:
        body = await _read_body(request)
        engine.report(worker, ProgressPost.model_validate_json(body))
        return Response(status_code=204)

    def guarded(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            try:
                worker = await verifier.verify(token) if scheme.lower() == "bearer" and token else None
            except WhisperJobError:
                return _refuse(503, "The token cannot be verified now.")
            if worker is None:
                return _refuse(401, "The token is not one of a living attempt.")
            try:
                return await handler(worker, request)
            except AttemptOverError as error:
                return _refuse(410, str(error))
            except _BodyTooLargeError as error:
                return _refuse(413, str(error))
            except (ProtocolViolationError, ValidationError):
                return _refuse(422, "The body is not what the protocol says.")
            except StoreError:
                return _refuse(503, "The store does not give what the claim needs.")

        return endpoint

    return Starlette(
        routes=[
            Route(CLAIM_PATH, guarded(claim), methods=["POST"]),
            Route(PROGRESS_PATH, guarded(progress), methods=["POST"]),
        ]
    )


def _refuse(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status)


async def _read_body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BODY_BYTES:
            raise _BodyTooLargeError(f"A progress post has at most {_MAX_BODY_BYTES} bytes.")
    return body
