"""A manifest that does not add up is none."""

import pytest
from pydantic import ValidationError

from support.builders import a_manifest
from whisperjob.model.errors import JobCode
from whisperjob.model.manifest import Manifest, Verdict


def broken(**changes: object) -> dict[str, object]:
    data = a_manifest((16_000, 8_000)).model_dump(by_alias=True, mode="json")
    data["chunks"][1] |= changes
    return data


def test_one_that_adds_up_survives_the_way_through_json() -> None:
    manifest = a_manifest((16_000, 8_000))
    assert Manifest.model_validate_json(manifest.model_dump_json(by_alias=True)) == manifest
    assert (manifest.duration_seconds, manifest.size_bytes) == (1.5, 16_000)


@pytest.mark.parametrize(
    "changes",
    [{"index": 2}, {"startSample": 15_999}, {"samples": 7_999}, {"filename": "output.mp3"}, {"filename": "../x.mp3"}],
    ids=str,
)
def test_one_that_does_not_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate(broken(**changes))


@pytest.mark.parametrize("code", [JobCode.INFRASTRUCTURE, JobCode.CANCELLED, JobCode.INTERNAL])
def test_a_worker_has_no_say_in_what_is_not_its_input(code: JobCode) -> None:
    with pytest.raises(ValidationError):
        Verdict(code=code, message="Something.")
