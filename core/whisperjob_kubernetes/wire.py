"""Converts WhisperJobs between the model and Kubernetes objects, and to merge patches. Pure."""

from typing import Any

from pydantic import ValidationError

from whisperjob.model.base import Model
from whisperjob.model.errors import RecordUnreadableError
from whisperjob.model.resource import API_GROUP, API_VERSION, KIND, Spec, WhisperJob
from whisperjob.records.port import UnreadableRecord, say_why_unreadable

RETRY_ANNOTATION = f"{API_GROUP}/retry"
"""On a WhisperJob that ended with an error of the service: run it again. Another value requests it again."""

_ANNOTATED_LENGTH = 31
"""Two requests and a sign between them are no longer than spec.retry may be."""

_DEFAULT_TENANT = Spec.model_fields["tenant"].default


def to_record(body: dict[str, Any]) -> WhisperJob:
    """Parses a Kubernetes object. Raises RecordUnreadableError if this software does not understand it."""
    record = parse_record(body)
    if isinstance(record, UnreadableRecord):
        raise RecordUnreadableError(record.name, record.uid, record.tenant, record.why)
    return record


def parse_record(body: dict[str, Any]) -> WhisperJob | UnreadableRecord:
    """Parses a Kubernetes object, as far as this software understands it."""
    try:
        return WhisperJob.model_validate(_with_annotated_retry(body))
    except ValidationError as error:
        metadata, spec = body.get("metadata", {}), body.get("spec")
        tenant = spec.get("tenant", _DEFAULT_TENANT) if isinstance(spec, dict) else None
        return UnreadableRecord(
            str(metadata.get("name", "?")),
            str(metadata.get("uid", "")),
            str(metadata.get("resourceVersion", "0")),
            tenant if isinstance(tenant, str) else None,
            say_why_unreadable(error),
        )


def _with_annotated_retry(body: dict[str, Any]) -> dict[str, Any]:
    """Returns the object with the retry that its annotation requests in its spec.

    Whoever may annotate may thus run a job again with kubectl. The spec's own request stays part of the name, so that
    each of the two, if it changes, is a new request; a spec that was written back has the annotation in it already.
    """
    annotation = str((body.get("metadata", {}).get("annotations") or {}).get(RETRY_ANNOTATION, ""))[-_ANNOTATED_LENGTH:]
    spec = body.get("spec")
    if not annotation or not isinstance(spec, dict):
        return body
    own = str(spec.get("retry") or "")
    retry = own if own.endswith(annotation) else f"{own[:_ANNOTATED_LENGTH]}+{annotation}" if own else annotation
    return {**body, "spec": {**spec, "retry": retry}}


def build_object(namespace: str, name: str, spec: Spec) -> dict[str, Any]:
    """Builds the Kubernetes object of a new job."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def build_merge_patch(model: Model) -> dict[str, Any]:
    """Builds a merge patch that replaces every field of the model: an absent value becomes null, which deletes.

    A merge patch replaces a list as a whole, so its items must not contain a null.
    """
    patch: dict[str, Any] = model.model_dump(mode="json", by_alias=True)
    return {key: _without_nulls_in_lists(value) for key, value in patch.items()}


def _without_nulls_in_lists(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nulls_in_lists(item) for key, item in value.items()}
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
