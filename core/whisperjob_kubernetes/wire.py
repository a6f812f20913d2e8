"""Converts WhisperJobs between the model and Kubernetes objects, and to merge patches. Pure."""

from typing import Any

from pydantic import ValidationError

from whisperjob.model.base import Model
from whisperjob.model.errors import RecordInvalidError
from whisperjob.model.resource import API_VERSION, KIND, Spec, WhisperJob


def to_record(body: dict[str, Any]) -> WhisperJob:
    """Parses a Kubernetes object. Raises RecordInvalidError if it is older or newer than this software understands."""
    try:
        return WhisperJob.model_validate(body)
    except ValidationError as error:
        name = body.get("metadata", {}).get("name", "?")
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RecordInvalidError(f"WhisperJob {name!r} cannot be read: {field}: {first['msg']}") from error


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
