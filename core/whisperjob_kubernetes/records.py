"""Job records as WhisperJob resources. Must not import kopf: the API in a cluster uses the same records."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Final, TypedDict

from kubernetes.aio import client

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
from whisperjob.records.port import ChangeKind, RecordChange, RecordPage, UnreadableRecord
from whisperjob_kubernetes.connection import (
    ClusterError,
    ClusterUnavailableError,
    JsonObject,
    abort_stream,
    to_cluster_error,
    translate_errors,
)
from whisperjob_kubernetes.wire import build_merge_patch, build_object, parse_record, to_record

PLURAL: Final = "whisperjobs"
_VERSION: Final = "v1alpha1"
_MERGE: Final = "application/merge-patch+json"
_WATCH_SECONDS: Final = 300
"""After this the server ends a watch; the next one continues from the last version that was received."""
_SILENCE_SECONDS: Final = 90.0
"""Bookmarks arrive about once a minute: the connection of a watch that is silent for longer is dead."""


class _ResourcePath(TypedDict):
    group: str
    version: str
    namespace: str
    plural: str


class KubernetesRecords:
    """The JobRecords of one namespace. One event loop."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._objects = client.CustomObjectsApi(api)
        self._core = client.CoreV1Api(api)
        self._namespace = namespace
        self._path: _ResourcePath = {
            "group": API_GROUP,
            "version": _VERSION,
            "namespace": namespace,
            "plural": PLURAL,
        }

    @property
    def namespace(self) -> str:
        return self._namespace

    async def installation(self) -> str:
        """Returns the uid of the namespace: one of the same name in another or a rebuilt cluster has another."""
        with _translate_record_errors(self._namespace):
            metadata = (await self._core.read_namespace(self._namespace)).metadata
        assert metadata is not None  # an API server answers whole objects
        return str(metadata.uid)

    async def create(self, name: str, spec: Spec) -> WhisperJob:
        if not is_job_name(name):
            raise RecordInvalidError(f"{name!r} is no DNS label")
        body = build_object(self._namespace, name, spec)
        with _translate_record_errors(name, conflict=RecordExistsError(name)):
            return _record(await self._objects.create_namespaced_custom_object(**self._path, body=body))

    async def get(self, name: str) -> WhisperJob:
        with _translate_record_errors(name):
            return _record(await self._objects.get_namespaced_custom_object(**self._path, name=name))

    async def list(self, limit: int = 500, token: str | None = None) -> RecordPage:
        with _translate_record_errors("*"):
            body = await self._objects.list_namespaced_custom_object(**self._path, limit=limit, _continue=token)
        page = _json_object(body)
        records = [parse_record(item) for item in page["items"]]
        return RecordPage(
            tuple(record for record in records if isinstance(record, WhisperJob)),
            page["metadata"]["resourceVersion"],
            page["metadata"].get("continue") or None,
            tuple(record for record in records if isinstance(record, UnreadableRecord)),
        )

    async def watch(self, version: str) -> AsyncIterator[RecordChange]:
        if not version.isdecimal():
            raise WatchExpiredError(f"{version!r} is no version of these records")
        while True:
            async with aclosing(self._watch_once(version)) as events:
                async for event in events:
                    body = event["object"]
                    version = body["metadata"]["resourceVersion"]
                    if event["type"] == "BOOKMARK":
                        continue
                    record = parse_record(body)
                    if isinstance(record, UnreadableRecord):
                        raise WatchExpiredError(f"WhisperJob {record.name!r} cannot be read: {record.why}")
                    yield RecordChange(ChangeKind(event["type"]), record)

    async def _watch_once(self, version: str) -> AsyncGenerator[JsonObject, None]:
        """Yields events until the server ends the stream. Raises WatchExpiredError, RecordsUnavailableError."""
        with _translate_record_errors("*"):
            response = await self._objects.list_namespaced_custom_object_without_preload_content(
                **self._path,
                watch=True,
                allow_watch_bookmarks=True,
                resource_version=version,
                timeout_seconds=_WATCH_SECONDS,
                _request_timeout=float(_WATCH_SECONDS + 10),
            )
            if response.status != 200:
                raise to_cluster_error(response.status, await response.read())
        incomplete = b""
        try:
            while True:
                try:
                    with translate_errors():
                        async with asyncio.timeout(_SILENCE_SECONDS):
                            data = await response.content.readany()
                except ClusterUnavailableError:
                    return  # a broken or silent connection: the next watch finds out whether the server is there
                if not data:
                    return
                *lines, incomplete = (incomplete + data).split(b"\n")
                for line in lines:
                    event = _json_object(json.loads(line))
                    if event["type"] == "ERROR":
                        _raise_watch_error(event["object"])
                    yield event
        finally:
            abort_stream(response)

    async def patch_spec(self, name: str, spec: Spec, version: str | None = None) -> WhisperJob:
        body: JsonObject = {"spec": build_merge_patch(spec)}
        if version is not None:
            body["metadata"] = {"resourceVersion": version}
        with _translate_record_errors(name):
            patched = await self._objects.patch_namespaced_custom_object(
                **self._path, name=name, body=body, _content_type=_MERGE
            )
            return _record(patched)

    async def patch_status(self, name: str, status: Status, version: str) -> WhisperJob:
        if status == Status():  # an object without a status is read so: writing it would be a change
            live = await self.get(name)
            if live.version == version and live.status == status:
                return live
        body = {"metadata": {"resourceVersion": version}, "status": build_merge_patch(status)}
        with _translate_record_errors(name):
            patched = await self._objects.patch_namespaced_custom_object_status(
                **self._path, name=name, body=body, _content_type=_MERGE
            )
            return _record(patched)

    async def delete(self, name: str, uid: str | None = None) -> None:
        options = client.V1DeleteOptions(
            propagation_policy="Background", preconditions=client.V1Preconditions(uid=uid) if uid else None
        )
        with _translate_record_errors(name, conflict=RecordNotFoundError(name)):
            await self._objects.delete_namespaced_custom_object(**self._path, name=name, body=options)

    async def tombstones(self) -> tuple[WhisperJob, ...]:
        """Returns none: a cluster remembers deleted resources only with finalizers, which would hold deletions up."""
        return ()

    async def finalized(self, uid: str) -> None:
        pass

    async def check(self) -> None:
        """Raises what `list` raises: the right to list is checked, too."""
        with _translate_record_errors("*"):
            await self._objects.list_namespaced_custom_object(**self._path, limit=1)


@contextmanager
def _translate_record_errors(name: str, conflict: RecordError | None = None) -> Iterator[None]:
    """Goes around a request about one record and raises a RecordError. `conflict` is the meaning of a 409 there."""
    try:
        with translate_errors():
            yield
    except ClusterUnavailableError as error:
        raise RecordsUnavailableError(str(error)) from error
    except ClusterError as error:
        raise _to_record_error(error, name, conflict or RecordConflictError(name)) from error


def _to_record_error(error: ClusterError, name: str, conflict: RecordError) -> RecordError:
    match error.code:
        case 404:
            return RecordNotFoundError(name)
        case 409:
            return conflict
        case 410:
            return WatchExpiredError(str(error))
        case 400 | 422:
            return RecordInvalidError(str(error))
        case _:
            return RecordError(str(error))


def _raise_watch_error(status: JsonObject) -> None:
    error = to_cluster_error(int(status.get("code", 500)), json.dumps(status))
    if isinstance(error, ClusterError) and error.code == 410:
        raise WatchExpiredError(str(error))
    raise RecordsUnavailableError(str(error))


def _json_object(value: object) -> JsonObject:
    assert isinstance(value, dict)  # an API server answers objects
    return value


def _record(value: object) -> WhisperJob:
    return to_record(_json_object(value))
