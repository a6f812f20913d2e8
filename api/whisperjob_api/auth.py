"""Authentication: the API key gives the tenant, and is checked before a byte of the body is read.

The key is in the header X-API-Key, or in `Authorization: Bearer`, which is all that some form builders can send.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from whisperjob.model.base import DNS_LABEL
from whisperjob_api.error_responses import error_response
from whisperjob_api.errors import HttpCode, RequestError

DEFAULT_TENANT = "default"
HEADER = "X-API-Key"
PUBLIC_PATHS = frozenset({"/health", "/livez", "/readyz", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"})
DOCS_ASSETS = "/docs/assets"
"""The path of the scripts and styles of the docs pages, which are public as well."""

_TENANT = re.compile(DNS_LABEL)
_KEY = re.compile(r"[!-~]+")


class Keyring:
    """The API keys and their tenants. It stores hashes only, and compares all of them every time."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Parses entries: `key` (tenant `default`) or `tenant:key`. Raises ValueError; its message never has a key."""
        self._tenants = [_parse_entry(entry) for entry in entries]

    def find_tenant(self, presented: str) -> str | None:
        """Returns the tenant of a key, or None if no tenant has it."""
        digest = hashlib.sha256(presented.encode("latin-1", "replace")).digest()
        match: str | None = None
        for known, tenant in self._tenants:
            if hmac.compare_digest(known, digest):
                match = tenant
        return match


def _parse_entry(entry: str) -> tuple[bytes, str]:
    left, colon, right = entry.partition(":")
    tenant, key = (left, right) if colon else (DEFAULT_TENANT, left)
    if not _TENANT.fullmatch(tenant):
        raise ValueError("an API key's tenant must be a DNS label; a key itself must not contain a colon")
    if not _KEY.fullmatch(key):
        raise ValueError("an API key must be visible ASCII, without spaces")
    return hashlib.sha256(key.encode("latin-1")).digest(), tenant


def describe_key(description: dict[str, Any]) -> None:
    """Adds the key to the OpenAPI document. FastAPI's own way is a dependency that is resolved for every request."""
    schemes = description.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["APIKeyHeader"] = {"type": "apiKey", "in": "header", "name": HEADER, "description": "Your API key"}
    schemes["BearerToken"] = {"type": "http", "scheme": "bearer", "description": "The same key"}
    for path, operations in description["paths"].items():
        for operation in operations.values():
            if not _is_public(path):
                operation["security"] = [{"APIKeyHeader": []}, {"BearerToken": []}]


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


class ApiKeyMiddleware:
    """ASGI middleware that passes requests with a valid key on, with their tenant in `scope["state"]`."""

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self.app = app
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_public(scope["path"]):
            await self.app(scope, receive, send)
            return
        if _is_browser_at_root(scope):
            await RedirectResponse("/docs", 307, headers={"Vary": "Accept"})(scope, receive, send)
            return
        presented = _presented_keys(Headers(scope=scope))
        tenant = self._keyring.find_tenant(presented[0]) if len(presented) == 1 else None
        if tenant is None:
            error = RequestError(HttpCode.UNAUTHORIZED, f"The {HEADER} header is missing or wrong.")
            await error_response(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["tenant"] = tenant
        await self.app(scope, receive, send)
