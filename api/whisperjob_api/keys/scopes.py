"""What a key may do, and which route needs what: the one table of all routes. Pure."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from starlette.routing import BaseRoute, Route, compile_path


class Scope(StrEnum):
    """What a key may do within its tenant."""

    SUBMIT = "submit"
    """Upload recordings, and start work on them."""
    READ = "read"
    """See jobs, and download what they made."""
    DELETE = "delete"
    """Delete jobs, which cancels those that are not finished."""
    ADMIN = "admin"
    """Everything, also what later versions add."""


USUAL_SCOPES: Final = frozenset({Scope.SUBMIT, Scope.READ, Scope.DELETE})
ALL_SCOPES: Final = frozenset(Scope)

PUBLIC: Final = None
"""In place of a scope: the route needs no key."""

ROUTE_SCOPES: Final[Mapping[tuple[str, str], Scope | None]] = {
    ("GET", "/health"): PUBLIC,
    ("GET", "/livez"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/openapi.json"): PUBLIC,
    ("GET", "/docs"): PUBLIC,
    ("GET", "/docs/oauth2-redirect"): PUBLIC,
    ("GET", "/redoc"): PUBLIC,
    ("GET", "/stats"): Scope.READ,
    ("GET", "/jobs"): Scope.READ,
    ("GET", "/job/{job_id}"): Scope.READ,
    ("DELETE", "/job/{job_id}"): Scope.DELETE,
    ("POST", "/job/{job_id}/retry"): Scope.SUBMIT,
    ("GET", "/job/{job_id}/download/{filename}"): Scope.READ,
    ("POST", "/whisper_optimize"): Scope.SUBMIT,
    ("POST", "/demo_trim"): Scope.SUBMIT,
    ("POST", "/diarize"): Scope.SUBMIT,
    ("GET", "/diarize/{job_id}"): Scope.READ,
}

PUBLIC_PATHS: Final = frozenset(path for (_, path), scope in ROUTE_SCOPES.items() if scope is PUBLIC)


def list_routes(routes: Iterable[BaseRoute]) -> set[tuple[str, str]]:
    """Returns the method and the path of every route; HEAD is GET, as everywhere in this service."""
    return {
        (method, route.path)
        for route in routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }


def require_scopes(routes: Iterable[BaseRoute]) -> None:
    """Raises AssertionError if a route is not in the table: it would be open to keys that must not use it."""
    missing = list_routes(routes) - ROUTE_SCOPES.keys()
    if missing:
        raise AssertionError(f"add to ROUTE_SCOPES in {__file__}: {sorted(missing)}")


_PATTERNS: Final = tuple(
    (method, compile_path(path)[0], path) for (method, path), scope in ROUTE_SCOPES.items() if scope is not PUBLIC
)


def find_route(method: str, path: str) -> tuple[str, str] | None:
    """Returns the table's key of a request, or None if no route of the table would serve it."""
    for route_method, pattern, template in _PATTERNS:
        if route_method == method and pattern.match(path):
            return route_method, template
    return None


def find_job_id(method: str, path: str) -> str:
    """Returns the job that the path of a request names, as the client wrote it; empty if it names none."""
    for route_method, pattern, _ in _PATTERNS:
        if route_method == method and (match := pattern.match(path)):
            return match.groupdict().get("job_id", "")
    return ""


def allows(scopes: frozenset[Scope], needed: Scope | None) -> bool:
    """Returns whether a key with these scopes may use a route that needs this one."""
    return needed is None or needed in scopes or Scope.ADMIN in scopes
