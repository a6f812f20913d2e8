"""From the address that a user gives to those that requests may go to, and how the key is sent there. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import httpx

from whisperjob_client.errors import UsageError

EXAMPLE: Final = "http://127.0.0.1:8000/v1"
AZURE_EXAMPLE: Final = "https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT?api-version=2024-10-21"

_TRANSCRIPTIONS: Final = "/audio/transcriptions"
_WHOLE_ENDPOINTS: Final = (_TRANSCRIPTIONS, "/audio/translations", "/inference")
_OTHER_ENDPOINTS: Final = ("/chat/completions", "/completions", "/models", "/audio/speech", "/audio")
"""Addresses beside the one that is meant; people copy these too."""

_AZURE_RESOURCES: Final = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_AZURE_HOSTS: Final = (*_AZURE_RESOURCES, ".azure-api.net")
_DEPLOYMENTS: Final = "/openai/deployments/"
_VERSION: Final = re.compile(r"/v\d[^/]*(/|$)")


def endpoint_urls(url: str) -> list[str]:
    """Returns the addresses to try, in this order: an endpoint of its own, or those below a base such as
    `http://host:8000/v1` or `http://host:8000`. A query stays.

    Raises UsageError if it is no URL of a recogniser.
    """
    parsed = _parsed(url)
    path = parsed.path.rstrip("/")
    if not path.endswith(_WHOLE_ENDPOINTS):
        for ending in _OTHER_ENDPOINTS:
            path = path.removesuffix(ending)
    if parsed.host.endswith(_AZURE_RESOURCES):
        _check_azure(parsed, path)
    return [str(parsed.copy_with(path=candidate)) for candidate in _candidates(path)]


def _candidates(path: str) -> Sequence[str]:
    if path.endswith(_WHOLE_ENDPOINTS):
        return (path,)
    if not path:
        return (f"/v1{_TRANSCRIPTIONS}", _TRANSCRIPTIONS, "/inference")
    if _VERSION.search(path) or _DEPLOYMENTS in path:
        return (f"{path}{_TRANSCRIPTIONS}",)
    return (f"{path}{_TRANSCRIPTIONS}", f"{path}/v1{_TRANSCRIPTIONS}", path)


def _check_azure(url: httpx.URL, path: str) -> None:
    """Raises UsageError if the address has no deployment, because Azure has recognisers only there and under `v1`."""
    if "/v1" in path:
        return
    deployment = re.search(f"{_DEPLOYMENTS}[^/]", path)
    if deployment is None or "api-version" not in url.params:
        missing = "the deployment" if deployment is None else "?api-version=…"
        raise UsageError(
            f"{shown(url)} is no recogniser of Azure: {missing} is missing. An address looks like {AZURE_EXAMPLE}."
        )


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise UsageError(f"{url!r} is no URL: {error}.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"{url!r} is no URL of a speech recogniser; one looks like {EXAMPLE}.")
    return parsed.copy_with(fragment=None)


def is_azure(url: httpx.URL) -> bool:
    return url.host.endswith(_AZURE_HOSTS) or _DEPLOYMENTS in url.path


def auth_headers(url: httpx.URL, api_key: str | None) -> Mapping[str, str]:
    """Returns the header with the key: Azure's own for its keys, else a bearer token, which Azure takes as well if it
    is a token of Entra ID (a JWT). Raises UsageError if the key cannot be sent."""
    key = (api_key or "").strip()
    if not key:
        return {}
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError("The recogniser's key must be printable ASCII without spaces.")
    if is_azure(url) and not key.startswith("eyJ"):
        return {"api-key": key}
    return {"Authorization": f"Bearer {key}"}


def redirect_target(url: httpx.URL, location: str) -> httpx.URL | None:
    """Returns where a redirect leads, if the recording and the key may follow: to the same server, or to the same host
    by HTTPS. None if they may not."""
    try:
        target = url.join(location)
    except (httpx.InvalidURL, ValueError):
        return None
    secured = url.scheme == "http" and target.scheme == "https"
    same_server = (target.scheme, target.port) == (url.scheme, url.port)
    return target if target.host == url.host and (secured or same_server) else None


def shown(url: httpx.URL | str) -> str:
    """Returns the address without what may be secret: user, password, query."""
    parsed = httpx.URL(url)
    return str(parsed.copy_with(userinfo=b"", query=None, fragment=None))
