"""What may never change in a record."""

from typing import Any, TypeVar

import pytest

from support.builders import SHA, a_spec, at
from whisperjob.model.errors import JobCode, RecordInvalidError
from whisperjob.model.immutability import check_spec_change, check_status_change
from whisperjob.model.phase import Phase, Profile
from whisperjob.model.resource import DiarizationRequest, DiarizationState, JobFailure, Output, Spec, Status

M = TypeVar("M", Output, Status)

OUTPUT = Output(manifest_key="k", manifest_sha256=SHA, total_chunks=1, size_bytes=1)
FAILURE = JobFailure(code=JobCode.NO_AUDIO, message="No sound.")
COMPLETED = Status(phase=Phase.COMPLETED, output=OUTPUT, completion_time=at(1))
DIARIZED = COMPLETED.model_copy(
    update={"diarization": DiarizationState(request_id="1", attempt=1, phase=Phase.COMPLETED, result_key="k")}
)
FAILED = Status(phase=Phase.ERROR, error=FAILURE, completion_time=at(1))


@pytest.mark.parametrize(
    "change",
    [{"tenant": "other"}, {"profile": Profile.NONE}, {"client_ip": "1.2.3.4"}, {"ttl_seconds_after_finished": 1}],
    ids=str,
)
def test_the_spec_is_immutable(change: dict[str, Any]) -> None:
    with pytest.raises(RecordInvalidError, match=next(iter(change))):
        check_spec_change(a_spec(), a_spec(**change))


@pytest.mark.parametrize(
    "change",
    [{"suspend": True}, {"priority": 5}, {"cancel": True}, {"diarization": DiarizationRequest(request_id="1")}],
    ids=str,
)
def test_a_few_fields_of_the_spec_may_change(change: dict[str, Any]) -> None:
    check_spec_change(a_spec(), a_spec(**change))


def test_a_cancel_stands() -> None:
    with pytest.raises(RecordInvalidError):
        check_spec_change(a_spec(cancel=True), a_spec())


def update(model: M, **changes: Any) -> M:
    return model.model_copy(update=changes)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(COMPLETED, Status(), id="completed, then queued"),
        pytest.param(COMPLETED, FAILED, id="completed, then failed"),
        pytest.param(FAILED, COMPLETED, id="failed, then completed"),
        pytest.param(COMPLETED, update(COMPLETED, output=update(OUTPUT, total_chunks=2)), id="another output"),
        pytest.param(COMPLETED, update(COMPLETED, completion_time=at(2)), id="ended twice"),
        pytest.param(
            update(DIARIZED, diarization=DiarizationState(request_id="1", attempt=2)),
            update(DIARIZED, diarization=DiarizationState(request_id="2", attempt=1)),
            id="fewer attempts at a diarization",
        ),
        pytest.param(
            DIARIZED,
            update(DIARIZED, diarization=DiarizationState(request_id="1", attempt=1)),
            id="an ended diarization runs again without a new request",
        ),
        pytest.param(Status(attempt=2), Status(attempt=1), id="fewer attempts"),
        pytest.param(Status(failure_count=2), Status(failure_count=1), id="fewer failures"),
        pytest.param(Status(), Status(phase=Phase.COMPLETED), id="completed with nothing"),
        pytest.param(Status(), Status(phase=Phase.ERROR), id="failed without why"),
        pytest.param(Status(), update(COMPLETED, error=FAILURE), id="both"),
    ],
)
def test_what_is_final(old: Status, new: Status) -> None:
    with pytest.raises(RecordInvalidError):
        check_status_change(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(Status(), Status(phase=Phase.PROCESSING, attempt=1), id="starts"),
        pytest.param(Status(phase=Phase.PROCESSING), Status(phase=Phase.QUEUED), id="suspended"),
        pytest.param(Status(attempt=1), COMPLETED.model_copy(update={"attempt": 1}), id="ends"),
        pytest.param(COMPLETED, update(COMPLETED, observed_generation=4), id="an ended one is seen again"),
        pytest.param(
            DIARIZED,
            update(DIARIZED, diarization=DiarizationState(request_id="2", attempt=2)),
            id="a diarization is requested again",
        ),
        pytest.param(DIARIZED, update(DIARIZED, observed_generation=4), id="a diarized one is seen again"),
    ],
)
def test_what_may_happen(old: Status, new: Status) -> None:
    check_status_change(old, new)


def test_the_spec_reads_and_writes_the_json_of_the_resource() -> None:
    spec = a_spec(client_ip="10.0.0.1", max_chunk_seconds=600)
    data = spec.model_dump(by_alias=True, mode="json", exclude_none=True)
    assert data["clientIP"] == "10.0.0.1"
    assert data["maxChunkSeconds"] == 600
    assert Spec.model_validate(data | {"fromALaterVersion": 1}) == spec
