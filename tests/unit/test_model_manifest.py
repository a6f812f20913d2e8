"""A manifest that does not add up is none."""

import pytest
from pydantic import ValidationError

from support.builders import a_call_manifest, a_manifest
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


def test_each_channel_of_a_call_adds_up() -> None:
    manifest = a_call_manifest((16_000, 8_000, 8_000, 16_000))
    assert Manifest.model_validate_json(manifest.model_dump_json(by_alias=True)) == manifest
    assert (manifest.samples, [chunk.channel for chunk in manifest.chunks]) == (24_000, [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("chunk", "changes"),
    [
        pytest.param(3, {"samples": 15_999}, id="a channel is too short"),
        pytest.param(2, {"startSample": 24_000}, id="channels one behind the other"),
        pytest.param(1, {"channel": 1}, id="a channel begins before the one before it is complete"),
        pytest.param(0, {"channel": None}, id="a chunk belongs to no channel"),
    ],
)
def test_a_call_whose_channels_do_not_is_refused(chunk: int, changes: dict[str, object]) -> None:
    data = a_call_manifest((16_000, 8_000, 8_000, 16_000)).model_dump(by_alias=True, mode="json")
    data["chunks"][chunk] |= changes
    with pytest.raises(ValidationError):
        Manifest.model_validate(data)


def test_a_call_knows_when_its_channels_have_sound() -> None:
    data = a_call_manifest().model_dump(by_alias=True, mode="json")
    with pytest.raises(ValidationError):
        Manifest.model_validate(data | {"channelActivity": None})
