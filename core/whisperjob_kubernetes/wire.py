"""WhisperJobs as they travel: from a Kubernetes object to the model, and from the model to a merge patch. Pure."""

from typing import Any

from pydantic import ValidationError

from whisperjob.model.base import Model
from whisperjob.model.errors import RecordInvalidError
from whisperjob.model.resource import API_VERSION, KIND, Spec, WhisperJob


def record_from(body: dict[str, Any]) -> WhisperJob:
    """Raises RecordInvalidError: the object is older or newer than this software understands."""
    try:
        return WhisperJob.model_validate(body)
    except ValidationError as error:
        name = body.get("metadata", {}).get("name", "?")
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"])
        raise RecordInvalidError(f"WhisperJob {name!r} cannot be read: {where}: {wrong['msg']}") from error


def new_object(namespace: str, name: str, spec: Spec) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def replacing(model: Model) -> dict[str, Any]:
    """A merge patch that leaves nothing of what the model has fields for: an absent value becomes null, which deletes.

    Lists are replaced whole, so their items must not hold a null.
    """
    patch: dict[str, Any] = model.model_dump(mode="json", by_alias=True)
    return {key: _within_lists(value) for key, value in patch.items()}


def _within_lists(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    if isinstance(value, dict):
        return {key: _within_lists(item) for key, item in value.items()}
    return value


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    return [_without_null(item) for item in value] if isinstance(value, list) else value
