"""Whose request it is: the X-API-Key header, checked before a byte of the body is read."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from whisperjob_api.error_responses import error_response
from whisperjob_api.errors import HttpCode, RequestError

DEFAULT_TENANT = "default"
HEADER = "X-API-Key"
PUBLIC_PATHS = frozenset({"/health", "/livez", "/readyz", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"})
DOCS_ASSETS = "/docs/assets"
"""Scripts and styles of the docs pages, public as they are."""

_TENANT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_KEY = re.compile(r"[!-~]+")


class Keyring:
    """Which tenant a key belongs to. Only hashes are kept, and all of them are compared every time."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Entries are `key` (tenant `default`) or `tenant:key`. Raises ValueError; never repeats a key in it."""
        self._tenants = [_entry(entry) for entry in entries]

    def tenant_of(self, presented: str) -> str | None:
        digest = hashlib.sha256(presented.encode("latin-1", "replace")).digest()
        found: str | None = None
        for known, tenant in self._tenants:
            if hmac.compare_digest(known, digest):
                found = tenant
        return found


def _entry(entry: str) -> tuple[bytes, str]:
    left, colon, right = entry.partition(":")
    tenant, key = (left, right) if colon else (DEFAULT_TENANT, left)
    if not _TENANT.fullmatch(tenant):
        raise ValueError("an API key's tenant must be a DNS label; a key itself must not contain a colon")
    if not _KEY.fullmatch(key):
        raise ValueError("an API key must be visible ASCII, without spaces")
    return hashlib.sha256(key.encode("latin-1")).digest(), tenant


def describe_key(description: dict[str, Any]) -> None:
    """Tells OpenAPI of the key. FastAPI's own way is a dependency, resolved anew for every request."""
    schemes = description.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["APIKeyHeader"] = {"type": "apiKey", "in": "header", "name": HEADER, "description": "Your API key"}
    for path, operations in description["paths"].items():
        for operation in operations.values():
            if not _is_public(path):
                operation["security"] = [{"APIKeyHeader": []}]


def _is_public(path: str) -> bool:
    return path in PUBLIC_PATHS or path.startswith(f"{DOCS_ASSETS}/")


class ApiKeyMiddleware:
    """ASGI middleware: lets a request with a good key pass and puts its tenant into `scope["state"]`."""

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self.app = app
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_public(scope["path"]):
            await self.app(scope, receive, send)
            return
        presented = Headers(scope=scope).getlist(HEADER)
        tenant = self._keyring.tenant_of(presented[0]) if len(presented) == 1 else None
        if tenant is None:
            error = RequestError(HttpCode.UNAUTHORIZED, f"The {HEADER} header is missing or wrong.")
            await error_response(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["tenant"] = tenant
        await self.app(scope, receive, send)
