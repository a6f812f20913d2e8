"""One shape of state for all stages: nothing of a status is lost on the way there and back."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support.builders import SHA
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import DIARIZE_PROGRESS, PROGRESS_RANGES, STEP_PROGRESS, DiarizeStep, Phase, Stage, Step
from whisperjob.model.resource import DiarizationState, JobFailure, Output, Status
from whisperjob.model.stages import STAGES, StageState, from_status, to_status

TIMES = st.none() | st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1))  # noqa: DTZ001 - hypothesis adds the zone
FAILURES = st.none() | st.builds(JobFailure, code=st.sampled_from(JobCode), message=st.text(max_size=20))
COUNTS = st.integers(0, 1000)
SHARED: dict[str, Any] = {
    "phase": st.sampled_from(Phase),
    "progress": st.integers(0, 100),
    "attempt": COUNTS,
    "failure_count": COUNTS,
    "out_of_memory": st.booleans(),
    "next_attempt_time": TIMES,
    "start_time": TIMES,
    "completion_time": TIMES,
    "error": FAILURES,
}
DIARIZATIONS = st.builds(
    DiarizationState,
    **SHARED,
    requestId=st.text(max_size=9),  # by its alias, which is the parameter that hypothesis sees
    request_time=TIMES,
    step=st.none() | st.sampled_from(DiarizeStep),
    num_speakers=st.none() | COUNTS,
    total_segments=st.none() | COUNTS,
    result_key=st.none() | st.text(max_size=9),
    result_sha256=st.none() | st.just(SHA),
    model=st.none() | st.text(max_size=9),
    device=st.none() | st.text(max_size=9),
)
OUTPUT = Output(manifest_key="k", manifest_sha256=SHA, total_chunks=2, size_bytes=9)
STATUSES = st.builds(
    Status,
    **SHARED,
    observed_generation=st.none() | COUNTS,
    step=st.sampled_from(Step),
    duration_seconds=st.none() | st.floats(0, 1e6),
    output=st.none() | st.just(OUTPUT),
    warnings=st.sampled_from([(), ("silent",)]),
    diarization=st.none() | DIARIZATIONS,
)


@given(STATUSES)
def test_a_status_comes_back_as_it_was(status: Status) -> None:
    assert to_status(from_status(status)) == status


@given(STATUSES, st.sampled_from(Stage))
def test_a_change_of_one_stage_leaves_the_others_as_they_are(status: Status, stage: Stage) -> None:
    before = from_status(status)
    after = from_status(to_status(before.with_stage(stage, StageState(request_id="r", attempt=7))))
    assert after.stages[stage].attempt == 7
    assert {s: state for s, state in after.stages.items() if s is not stage} == {
        s: state for s, state in before.stages.items() if s is not stage
    }


def test_every_stage_has_a_row_and_every_step_a_stage_of_its_own() -> None:
    assert list(STAGES) == list(Stage)
    assert len(PROGRESS_RANGES) == len(STEP_PROGRESS) + len(DIARIZE_PROGRESS)  # no value stands for two steps
