"""Authentication: the API key gives the tenant and the scopes, and is checked before a byte of the body is read.

The key is in the header X-API-Key, or in `Authorization: Bearer`, which is all that some form builders can send.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whisperjob.model.names import is_job_name
from whisperjob.model.settings import ApiSettings, ClientAddress
from whisperjob_api.client_address import resolve_client_address
from whisperjob_api.error_responses import error_response
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.keys.audit import AUDITED_ROUTES, Action, RefusalLog, log_action
from whisperjob_api.keys.failed_guesses import FailedGuesses, to_bucket
from whisperjob_api.keys.key_source import KeySource
from whisperjob_api.keys.key_text import PREFIX, hash_key, is_made_key
from whisperjob_api.keys.keyring import ApiKey, KeyEnd
from whisperjob_api.keys.scopes import PUBLIC_PATHS, ROUTE_SCOPES, allows, find_job_id, find_route

HEADER = "X-API-Key"
DOCS_ASSETS = "/docs/assets"
"""The path of the scripts and styles of the docs pages, which are public as well."""

_ENDS = {
    KeyEnd.EXPIRED: RequestError(HttpCode.KEY_EXPIRED, "This API key has expired."),
    KeyEnd.REVOKED: RequestError(HttpCode.KEY_REVOKED, "This API key was revoked."),
}


def describe_key(description: dict[str, Any]) -> None:
    """Adds the key to the OpenAPI document. FastAPI's own way is a dependency that is resolved for every request."""
    schemes = description.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["APIKeyHeader"] = {"type": "apiKey", "in": "header", "name": HEADER, "description": "Your API key"}
    schemes["BearerToken"] = {"type": "http", "scheme": "bearer", "description": "The same key"}
    for path, operations in description["paths"].items():
        for operation in operations.values():
            if not _is_public(path):
                operation["security"] = [{"APIKeyHeader": []}, {"BearerToken": []}]


def note_job(request: Request, job: str) -> None:
    """Notes the job that a request is about, for the audit log, where the request's path does not name it."""
    request.state.audited_job = job


def _is_public(path: str) -> bool:
    return path in PUBLIC_PATHS or path == DOCS_ASSETS or path.startswith(f"{DOCS_ASSETS}/")


def _is_browser_at_root(scope: Scope) -> bool:
    """Returns whether somebody opened the service's address in a browser: there is nothing at `/` but for them."""
    return scope["path"] == "/" and scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")


def _presented_keys(headers: Headers) -> list[str]:
    """Returns the keys of a request. X-API-Key goes first: a proxy in front may use `Authorization` for itself."""
    if keys := headers.getlist(HEADER):
        return keys
    credentials = (value.partition(" ") for value in headers.getlist("Authorization"))
    return [key.strip() for scheme, _, key in credentials if scheme.lower() == "bearer"]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a request is refused, and by which key, if it is one of ours. `guessed` is a key that is none."""

    error: RequestError
    key: ApiKey | None = None
    guessed: bool = False


class ApiKeyMiddleware:
    """ASGI middleware that passes requests with a valid key on, with their tenant in `scope["state"]`.

    It writes the audit log, since it knows who asks and what came of it.
    """

    def __init__(self, app: ASGIApp, keys: KeySource, settings: ApiSettings) -> None:
        self.app = app
        self._keys = keys
        self._settings = settings
        self._guesses = FailedGuesses()
        self._refusals = RefusalLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_public(scope["path"]):
            await self.app(scope, receive, send)
            return
        if _is_browser_at_root(scope):
            await RedirectResponse("/docs", 307, headers={"Vary": "Accept"})(scope, receive, send)
            return
        headers = Headers(scope=scope)
        presented = _presented_keys(headers)
        checked = self._check(presented[0], self._find_bucket(scope, headers)) if len(presented) == 1 else _missing()
        if isinstance(checked, _Refusal):
            await self._refuse(checked, scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["tenant"] = checked.tenant
        self._keys.last_uses.note(checked.id, datetime.now(UTC))
        route = find_route(scope["method"], scope["path"])
        needed = ROUTE_SCOPES[route] if route else None
        if needed is not None and not allows(checked.scopes, needed):
            sentence = f"This API key may not do this: it lacks the scope `{needed}`."
            refusal = _Refusal(RequestError(HttpCode.INSUFFICIENT_SCOPE, sentence), checked)
            await self._refuse(refusal, scope, receive, send)
        elif route in AUDITED_ROUTES:
            await self._serve_audited(checked, route, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _check(self, presented: str, bucket: str) -> ApiKey | _Refusal:
        """Returns the key with this text, if it is valid. `failed_guesses` says why the order is this one."""
        made, now = is_made_key(presented), time.monotonic()
        wait = self._guesses.wait_seconds(bucket, now)
        digest = hash_key(presented)
        looked_up = made or not wait or self._guesses.is_proved(bucket, digest)
        key = self._keys.keyring.find(digest) if looked_up else None
        if key is None:
            if wait:
                sentence = "Too many wrong API keys came from this address; wait before the next one."
                error = RequestError(HttpCode.TOO_MANY_WRONG_KEYS, sentence, retry_after_seconds=wait)
                return _Refusal(error, guessed=True)
            self._guesses.count_failure(bucket, now)
            return _Refusal(_wrong(presented, made), guessed=True)
        if not made:
            self._guesses.prove(bucket, digest)
        end = key.find_end(datetime.now(UTC))
        return key if end is None else _Refusal(_ENDS[end], key)

    async def _refuse(self, refusal: _Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        error = refusal.error
        self._keys.count_refusal(error.code)
        if refusal.key is not None or refusal.guessed:
            route = find_route(scope["method"], scope["path"]) if refusal.key is not None else None
            self._refusals.write(
                error.code,
                self._address(scope),
                error.http_status,
                action=AUDITED_ROUTES.get(route, Action.REFUSE_KEY) if route else Action.REFUSE_KEY,
                key=refusal.key,
                job=_find_job(scope) if refusal.key is not None else None,
            )
        await error_response(error)(scope, receive, send)

    async def _serve_audited(
        self, key: ApiKey, route: tuple[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        status: int | None = None

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_status)
        finally:
            outcome = "cut" if status is None else "done" if status < 400 else "refused" if status < 500 else "failed"
            log_action(
                AUDITED_ROUTES[route],
                outcome,
                key=key,
                job=_find_job(scope),
                address=self._address(scope),
                status=status,
            )

    def _address(self, scope: Scope) -> str | None:
        """Returns the client's address as far as it may be stored."""
        return self._resolve(scope, Headers(scope=scope), self._settings.client_address)

    def _find_bucket(self, scope: Scope, headers: Headers) -> str:
        return to_bucket(self._resolve(scope, headers, ClientAddress.FULL))

    def _resolve(self, scope: Scope, headers: Headers, precision: ClientAddress) -> str | None:
        peer = scope["client"][0] if scope.get("client") else None
        return resolve_client_address(
            peer, headers.getlist("x-forwarded-for"), self._settings.trusted_proxies, precision
        )


def _missing() -> _Refusal:
    return _Refusal(RequestError(HttpCode.UNAUTHORIZED, f"The {HEADER} header is missing or wrong."))


def _wrong(presented: str, made: bool) -> RequestError:
    if presented.startswith(PREFIX) and not made:
        return RequestError(HttpCode.UNAUTHORIZED, f"The key in the {HEADER} header is mistyped or not whole.")
    return RequestError(HttpCode.UNAUTHORIZED, f"The {HEADER} header is missing or wrong.")


def _find_job(scope: Scope) -> str | None:
    """Returns the job that a request is about, if there is such a name; a client may have made up what it sent."""
    job = scope.get("state", {}).get("audited_job") or find_job_id(scope["method"], scope["path"])
    job = str(job).strip().lower()
    return job if is_job_name(job) else None
