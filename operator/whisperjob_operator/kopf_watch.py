"""Watches WhisperJobs and the Jobs and Pods of workers with kopf, and passes each event on.

kopf does nothing but watch: without handlers of changes, timers and daemons it adds no finalizer and no annotation to
any object, so that deletion works while the operator is down. No other module may import kopf.
"""

import asyncio
import itertools
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import kopf
from kubernetes.aio import client

from whisperjob.model.backoff import Backoff
from whisperjob.model.resource import API_GROUP
from whisperjob_kubernetes.connection import JsonObject
from whisperjob_kubernetes.records import PLURAL
from whisperjob_operator import labels

log = logging.getLogger(__name__)

KINDS: Final = (PLURAL, "jobs", "pods")

_WATCH_SECONDS: Final = 300
_SILENCE_SECONDS: Final = 70.0
_BACKOFF: Final = Backoff(base=timedelta(milliseconds=200), cap=timedelta(seconds=10), jitter=0.2)
_RESTART_SECONDS: Final = 1.0
_CLOSING_SECONDS: Final = 0.25
"""aiohttp closes TLS connections some time after `close` returns; if the event loop ends before, their sockets leak."""

OnEvent = Callable[[str, JsonObject, bool], None]
"""Takes (kind, object, whether it was deleted)."""


class _EndlessBackoff:
    """The waits between the tries of one request, in seconds. kopf iterates over it once per request.

    It has no end: kopf would give the request up there.
    """

    def __iter__(self) -> Iterator[float]:
        for failures in itertools.count(1):
            yield _BACKOFF.wait(failures, random.random()).total_seconds()  # noqa: S311 - jitter, no secret


def build_kopf_settings() -> kopf.OperatorSettings:
    """Builds kopf's settings. Its defaults would miss events, write to objects, or need more rights."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # event_recorder.py records Events, once
    settings.scanning.disabled = True  # no right to watch CRDs or namespaces is needed
    settings.peering.standalone = True  # two operators of equal priority would freeze each other
    settings.networking.error_backoffs = _EndlessBackoff()
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.watching.server_timeout = _WATCH_SECONDS
    settings.watching.inactivity_timeout = _SILENCE_SECONDS
    settings.watching.connect_timeout = 5
    settings.queueing.worker_limit = None
    settings.watching.label_selectors["batch", "v1", "jobs"] = labels.SELECTOR
    settings.watching.label_selectors["", "v1", "pods"] = labels.SELECTOR
    return settings


def build_registry(on_event: OnEvent, login: Callable[[], Awaitable[kopf.ConnectionInfo]]) -> kopf.OperatorRegistry:
    """Builds kopf's handlers. `login` returns the connection to use; it is called again when the server refuses it."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> Any:
        return await login()

    def handler(kind: str) -> Callable[..., None]:
        def handle(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name for it
            on_event(kind, _to_json_object(body), type == "DELETED")

        return handle

    kopf.on.event(API_GROUP, "v1alpha1", PLURAL, registry=registry, id="whisperjob")(handler(PLURAL))
    kopf.on.event("batch", "v1", "jobs", registry=registry, id="job")(handler("jobs"))
    kopf.on.event("", "v1", "pods", registry=registry, id="pod")(handler("pods"))
    return registry


def _to_json_object(body: kopf.Body) -> JsonObject:
    """Converts kopf's view of an object into the plain object behind it."""
    return {key: _unwrap(value) for key, value in body.items()}


def _unwrap(value: Any) -> Any:
    if isinstance(value, dict | list | str | int | float | bool) or value is None:
        return value
    return {key: _unwrap(item) for key, item in value.items()}


async def build_connection_info(api: client.ApiClient) -> kopf.ConnectionInfo:
    """Returns what kopf needs to reach the cluster as `api` does, with its current token."""
    configuration = api.configuration
    header = await configuration.get_api_key_with_prefix("BearerToken") or ""
    scheme, _, token = header.rpartition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        scheme=scheme or ("Bearer" if token else None),
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
    )


async def watch_events(namespace: str, on_event: OnEvent, api: client.ApiClient, ready: asyncio.Event) -> None:
    """Watches until cancelled, and calls `on_event` on this event loop. `ready` is set when the watches have started.

    kopf runs in a thread of its own, because at its end it cancels every task of its event loop that is younger than
    itself, and because in the main thread it takes over the process's signals. It ends when a watch ends with an ERROR,
    and is started again.
    """
    loop = asyncio.get_running_loop()

    def guarded(kind: str, body: JsonObject, deleted: bool) -> None:
        try:
            on_event(kind, body, deleted)
        except Exception:  # one object that cannot be read must not hide the others
            log.exception("an event of %s %s was lost", kind, body.get("metadata", {}).get("name"))

    def deliver(kind: str, body: JsonObject, deleted: bool) -> None:
        with suppress(RuntimeError):  # the loop is closed: the operator has ended
            loop.call_soon_threadsafe(guarded, kind, body, deleted)

    async def login() -> kopf.ConnectionInfo:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(build_connection_info(api), loop))

    while True:
        watcher = _Kopf(namespace, build_registry(deliver, login), lambda: loop.call_soon_threadsafe(ready.set))
        thread = loop.run_in_executor(None, watcher.run)
        try:
            await asyncio.wait([thread])
        finally:
            watcher.stop()
            await asyncio.wait([thread])
        log.error("the watches ended with %r; they are started again", thread.exception())
        await asyncio.sleep(_RESTART_SECONDS)


class _Kopf:
    """One run of kopf, on an event loop of its own."""

    def __init__(self, namespace: str, registry: kopf.OperatorRegistry, on_ready: Callable[[], object]) -> None:
        self._namespace = namespace
        self._registry = registry
        self._on_ready = on_ready
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def run(self) -> None:
        """Blocks the thread until `stop`, or until kopf ends by itself. Raises what kopf raises."""
        asyncio.run(self._run())

    def stop(self) -> None:
        """Ends the run; idempotent. May be called at any time from any thread."""
        self._stopped = True
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._stop.set)

    async def _run(self) -> None:
        self._stop, self._loop = asyncio.Event(), asyncio.get_running_loop()
        if self._stopped:
            return
        ready = asyncio.Event()
        announcement = asyncio.create_task(self._announce(ready))
        try:
            await kopf.operator(
                registry=self._registry,
                settings=build_kopf_settings(),
                namespaces=[self._namespace],
                standalone=True,
                stop_flag=self._stop,
                ready_flag=ready,
            )
        finally:
            announcement.cancel()
            await asyncio.sleep(_CLOSING_SECONDS)

    async def _announce(self, ready: asyncio.Event) -> None:
        await ready.wait()
        self._on_ready()
