"""The connection to the API server, its errors in our words, and a count of what is asked of it."""

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
"""A Kubernetes object as it travels; parsed into a model by whoever receives it."""


class ClusterError(WhisperJobError):
    """The API server answered a request with an error. `code` is the HTTP status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class ClusterUnavailableError(WhisperJobError):
    """The API server cannot be reached, refuses to work now, or does not let us (yet): later may help."""


_PASSING = frozenset({401, 403, 408, 429, 500, 502, 503, 504})
"""403 among them: rights are given back without a restart. A quota says 403 too, and it passes."""


@contextmanager
def asking() -> Iterator[None]:
    """Around every request. Raises ClusterError, ClusterUnavailableError instead of what the client raises."""
    try:
        yield
    except client.ApiException as error:
        raise error_from(error.status or 0, error.body) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ClusterUnavailableError(f"the API server cannot be reached ({type(error).__name__}: {error})") from error


def error_from(code: int, body: str | bytes | None) -> ClusterError | ClusterUnavailableError:
    """From an answer's HTTP status and its Status object, where it is one."""
    try:
        status = json.loads(body or "{}")
    except ValueError:
        status = {}
    status = status if isinstance(status, dict) else {}
    message = str(status.get("message") or f"the API server answered {code}")
    if code in _PASSING:
        return ClusterUnavailableError(message)
    return ClusterError(code, str(status.get("reason") or ""), message)


async def read_object(response: Any) -> JsonObject:
    """The object in an answer that the client did not read. Raises what `error_from` makes of one that failed."""
    data = await response.read()
    if not 200 <= response.status < 300:
        raise error_from(response.status, data)
    found: JsonObject = json.loads(data)
    return found


def abort(response: aiohttp.ClientResponse) -> None:
    """Ends a stream that nobody reads to its end. A polite TLS farewell would keep its socket for up to 30 s."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


async def connect(kubeconfig: Path | None = None, on_request: Callable[[ApiRequest, int], None] | None = None) -> Any:
    """A client of the cluster this runs in, or of a kubeconfig's. Raises ClusterUnavailableError.

    The caller closes it. `on_request` is told of every answered request.
    """
    configuration = client.Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]  # kubernetes types its API only
        else:
            await config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]  # as above
    except (ConfigException, OSError) as error:
        raise ClusterUnavailableError(f"no way to the API server: {error}") from error
    options: JsonObject = {"trust_env": False, "timeout": _timeout(REQUEST_TIMEOUT_SECONDS)}
    if on_request is not None:
        options["trace_configs"] = [_tracing(on_request)]
    configuration.client_session_kwargs = options
    return client.ApiClient(configuration)


def _timeout(total: float | None, read: float | None = None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total, sock_connect=_CONNECT_TIMEOUT_SECONDS, sock_read=read)


def _tracing(on_request: Callable[[ApiRequest, int], None]) -> aiohttp.TraceConfig:
    async def ended(
        _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        on_request(parse_request(params.method, params.url.path, params.url.query), params.response.status)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(ended)
    return trace
