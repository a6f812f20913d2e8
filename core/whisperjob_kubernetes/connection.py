"""The connection to the API server, the errors that it answers, and a hook for each answered request."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.config.config_exception import ConfigException

from whisperjob.model.errors import WhisperJobError
from whisperjob_kubernetes.requests import ApiRequest, parse_request

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS = 30.0
_CONNECT_TIMEOUT_SECONDS = 5.0

JsonObject = dict[str, Any]
"""A Kubernetes object as JSON; its receiver parses it into a model."""


class ClusterError(WhisperJobError):
    """The API server answered a request with an error. `code` is the HTTP status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class ClusterUnavailableError(WhisperJobError):
    """The API server cannot be reached, refuses to work now, or denies access: a later request may succeed."""


_TRANSIENT_CODES = frozenset({401, 403, 408, 429, 500, 502, 503, 504})
"""403 is one of them: access can be granted again without a restart. An exceeded quota is a 403, too, and it passes."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Goes around every request: raises ClusterError, ClusterUnavailableError instead of what the client raises."""
    try:
        yield
    except client.ApiException as error:
        raise to_cluster_error(error.status or 0, error.body) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ClusterUnavailableError(f"the API server cannot be reached ({type(error).__name__}: {error})") from error


def to_cluster_error(code: int, body: str | bytes | None) -> ClusterError | ClusterUnavailableError:
    """Converts an answer's HTTP status and its body, which usually is a Kubernetes Status object."""
    try:
        status = json.loads(body or "{}")
    except ValueError:
        status = {}
    status = status if isinstance(status, dict) else {}
    message = str(status.get("message") or f"the API server answered {code}")
    if code in _TRANSIENT_CODES:
        return ClusterUnavailableError(message)
    return ClusterError(code, str(status.get("reason") or ""), message)


async def read_object(response: Any) -> JsonObject:
    """Returns the object in an answer that the client did not read. Raises ClusterError, ClusterUnavailableError."""
    data = await response.read()
    if not 200 <= response.status < 300:
        raise to_cluster_error(response.status, data)
    body: JsonObject = json.loads(data)
    return body


def abort_stream(response: aiohttp.ClientResponse) -> None:
    """Ends a stream that is not read to its end. An orderly end of TLS would hold its socket for up to 30 s."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


async def connect(kubeconfig: Path | None = None, on_request: Callable[[ApiRequest, int], None] | None = None) -> Any:
    """Returns a client of the cluster that this process runs in, or of the one that `kubeconfig` names.

    The caller closes it. `on_request` is called with every answered request and its HTTP status. Raises
    ClusterUnavailableError.
    """
    configuration = client.Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]  # kubernetes types its API only
        else:
            await config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]  # kubernetes types its API only
    except (ConfigException, OSError) as error:
        raise ClusterUnavailableError(f"the connection to the API server cannot be configured: {error}") from error
    options: JsonObject = {"trust_env": False, "timeout": _timeout(REQUEST_TIMEOUT_SECONDS)}
    if on_request is not None:
        options["trace_configs"] = [_build_trace(on_request)]
    configuration.client_session_kwargs = options
    return client.ApiClient(configuration)


def _timeout(total: float | None, read: float | None = None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total, sock_connect=_CONNECT_TIMEOUT_SECONDS, sock_read=read)


def _build_trace(on_request: Callable[[ApiRequest, int], None]) -> aiohttp.TraceConfig:
    async def on_request_end(
        _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        on_request(parse_request(params.method, params.url.path, params.url.query), params.response.status)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(on_request_end)
    return trace
