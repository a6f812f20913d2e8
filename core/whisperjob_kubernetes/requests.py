"""Says what an HTTP request to an API server does, in terms of RBAC. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request as RBAC sees it.

    `resource` is followed by its subresource after a slash, as in a Role. For a non-resource URL it is the path.
    """

    verb: str
    group: str
    resource: str


def parse_request(method: str, path: str, query: Mapping[str, str]) -> ApiRequest:
    """Parses /api/v1/… and /apis/GROUP/VERSION/…, with or without a namespace. All else is a non-resource URL."""
    parts = path.strip("/").split("/")
    verb = _VERBS.get(method, method.lower())
    match parts:
        case ["api", _, *rest]:
            group = ""
        case ["apis", group, _, *rest]:
            pass
        case _:
            return ApiRequest(verb, "", path)
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    if not rest:
        return ApiRequest(verb, "", path)
    named = len(rest) > 1
    if verb == "get" and not named:
        verb = "watch" if query.get("watch", "").lower() in ("true", "1") else "list"
    if verb == "delete" and not named:
        verb = "deletecollection"
    return ApiRequest(verb, group, "/".join([rest[0], *rest[2:]]))
