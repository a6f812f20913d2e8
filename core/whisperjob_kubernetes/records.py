"""Job records as WhisperJob resources. Must not import kopf: the API in a cluster reads the same records."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final, TypedDict

from kubernetes.aio import client
from pydantic import ValidationError

from whisperjob.model.errors import (
    RecordConflictError,
    RecordError,
    RecordExistsError,
    RecordInvalidError,
    RecordNotFoundError,
    RecordsUnavailableError,
    WatchExpiredError,
)
from whisperjob.model.names import is_job_name
from whisperjob.model.resource import API_GROUP, Spec, Status, WhisperJob
from whisperjob.records.port import ChangeKind, RecordChange, RecordPage
from whisperjob_kubernetes.connection import (
    ClusterError,
    ClusterUnavailableError,
    JsonObject,
    abort,
    asking,
    error_from,
)
from whisperjob_kubernetes.wire import new_object, record_from, replacing

log = logging.getLogger(__name__)

PLURAL: Final = "whisperjobs"
_VERSION: Final = "v1alpha1"
_MERGE: Final = "application/merge-patch+json"
_WATCH_SECONDS: Final = 300
"""The server ends a watch after this; the next goes on from the last version seen."""
_SILENCE_SECONDS: Final = 90.0
"""Bookmarks come about once a minute: a watch that is silent for longer is on a dead connection."""


class _Where(TypedDict):
    group: str
    version: str
    namespace: str
    plural: str


class KubernetesRecords:
    """JobRecords of one namespace. One event loop."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._objects = client.CustomObjectsApi(api)
        self._namespace = namespace
        self._where: _Where = {"group": API_GROUP, "version": _VERSION, "namespace": namespace, "plural": PLURAL}

    @property
    def namespace(self) -> str:
        return self._namespace

    async def create(self, name: str, spec: Spec) -> WhisperJob:
        if not is_job_name(name):
            raise RecordInvalidError(f"{name!r} is no DNS label")
        body = new_object(self._namespace, name, spec)
        with _errors_of(name, conflict=RecordExistsError(name)):
            return _record(await self._objects.create_namespaced_custom_object(**self._where, body=body))

    async def get(self, name: str) -> WhisperJob:
        with _errors_of(name):
            return _record(await self._objects.get_namespaced_custom_object(**self._where, name=name))

    async def list(self, limit: int = 500, token: str | None = None) -> RecordPage:
        """An object that cannot be read (of another version of the software) is left out, with a warning."""
        with _errors_of("*"):
            found = await self._objects.list_namespaced_custom_object(**self._where, limit=limit, _continue=token)
        page = _json_object(found)
        items = tuple(record for body in page["items"] if (record := _readable(body)))
        return RecordPage(items, page["metadata"]["resourceVersion"], page["metadata"].get("continue") or None)

    async def watch(self, version: str) -> AsyncIterator[RecordChange]:
        if not version.isdecimal():
            raise WatchExpiredError(f"{version!r} is no version of these records")
        while True:
            async with aclosing(self._watch_once(version)) as events:
                async for event in events:
                    body = event["object"]
                    version = body["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK" and (record := _readable(body)):
                        yield RecordChange(ChangeKind(event["type"]), record)

    async def _watch_once(self, version: str) -> AsyncGenerator[JsonObject, None]:
        """Until the server ends the stream. Raises WatchExpiredError, RecordsUnavailableError."""
        with _errors_of("*"):
            response = await self._objects.list_namespaced_custom_object_without_preload_content(
                **self._where,
                watch=True,
                allow_watch_bookmarks=True,
                resource_version=version,
                timeout_seconds=_WATCH_SECONDS,
                _request_timeout=float(_WATCH_SECONDS + 10),
            )
            if response.status != 200:
                raise error_from(response.status, await response.read())
        rest = b""
        try:
            while True:
                try:
                    with asking():
                        async with asyncio.timeout(_SILENCE_SECONDS):
                            data = await response.content.readany()
                except ClusterUnavailableError:
                    return  # a broken or silent connection: the next watch tells whether the server is there
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    event = _json_object(json.loads(line))
                    if event["type"] == "ERROR":
                        _raise_watch_error(event["object"])
                    yield event
        finally:
            abort(response)

    async def patch_spec(self, name: str, spec: Spec, version: str | None = None) -> WhisperJob:
        body: JsonObject = {"spec": replacing(spec)}
        if version is not None:
            body["metadata"] = {"resourceVersion": version}
        with _errors_of(name):
            patched = await self._objects.patch_namespaced_custom_object(
                **self._where, name=name, body=body, _content_type=_MERGE
            )
            return _record(patched)

    async def patch_status(self, name: str, status: Status, version: str) -> WhisperJob:
        if status == Status():  # shown by default, stored never: writing it would be a change
            live = await self.get(name)
            if live.version == version and live.status == status:
                return live
        body = {"metadata": {"resourceVersion": version}, "status": replacing(status)}
        with _errors_of(name):
            patched = await self._objects.patch_namespaced_custom_object_status(
                **self._where, name=name, body=body, _content_type=_MERGE
            )
            return _record(patched)

    async def delete(self, name: str, uid: str | None = None) -> None:
        options = client.V1DeleteOptions(
            propagation_policy="Background", preconditions=client.V1Preconditions(uid=uid) if uid else None
        )
        with _errors_of(name, conflict=RecordNotFoundError(name)):
            await self._objects.delete_namespaced_custom_object(**self._where, name=name, body=options)

    async def check(self) -> None:
        """Of the right to list, too."""
        with _errors_of("*"):
            await self._objects.list_namespaced_custom_object(**self._where, limit=1)


class _errors_of:  # noqa: N801 - read as a statement: with _errors_of(name)
    """Translates what a request about one record raised. `conflict` is what a 409 means there."""

    def __init__(self, name: str, conflict: RecordError | None = None) -> None:
        self._name = name
        self._conflict = conflict or RecordConflictError(name)
        self._asking = asking()

    def __enter__(self) -> None:
        self._asking.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            self._asking.__exit__(kind, error, trace)
        except ClusterUnavailableError as translated:
            raise RecordsUnavailableError(str(translated)) from error
        except ClusterError as translated:
            raise self._meaning(translated) from error

    def _meaning(self, error: ClusterError) -> RecordError:
        match error.code:
            case 404:
                return RecordNotFoundError(self._name)
            case 409:
                return self._conflict
            case 410:
                return WatchExpiredError(str(error))
            case 400 | 422:
                return RecordInvalidError(str(error))
            case _:
                return RecordError(str(error))


def _raise_watch_error(status: JsonObject) -> None:
    error = error_from(int(status.get("code", 500)), json.dumps(status))
    if isinstance(error, ClusterError) and error.code == 410:
        raise WatchExpiredError(str(error))
    raise RecordsUnavailableError(str(error))


def _json_object(value: object) -> JsonObject:
    assert isinstance(value, dict)  # what an API server answers is an object
    return value


def _record(value: object) -> WhisperJob:
    return record_from(_json_object(value))


def _readable(body: JsonObject) -> WhisperJob | None:
    try:
        return record_from(body)
    except (RecordInvalidError, ValidationError) as error:
        log.warning("passed over: %s", error)
        return None
