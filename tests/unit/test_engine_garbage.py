"""Which objects still have a reader."""

from datetime import timedelta

import pytest

from support.builders import SHA, UID, a_job, a_spec
from whisperjob.engine.garbage import find_orphans, needed_objects
from whisperjob.model import names
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import Phase, Stage
from whisperjob.model.resource import DiarizationRequest, DiarizationState, JobFailure, Output, Source, WhisperJob
from whisperjob.stores.port import StoredObject

DAY = timedelta(hours=24)
NOW = 1_000_000.0
RESULT = names.attempt_prefix("default", UID, Stage.OPTIMIZE, 2)
SOURCE = a_spec().source.key
QUEUED = a_job()
COMPLETED = a_job(
    attempt=2,
    phase=Phase.COMPLETED,
    output=Output(manifest_key=RESULT + "manifest.json", manifest_sha256=SHA, total_chunks=1, size_bytes=1),
)
TIMELINE = names.attempt_prefix("default", UID, Stage.DIARIZE, 3) + "manifest.json"
DIARIZED = COMPLETED.model_copy(
    update={
        "spec": a_spec(diarization=DiarizationRequest(request_id="1")),
        "status": COMPLETED.status.model_copy(
            update={"diarization": DiarizationState(request_id="1", phase=Phase.COMPLETED, result_key=TIMELINE)}
        ),
    }
)
ASKED_AGAIN = DIARIZED.model_copy(update={"spec": a_spec(diarization=DiarizationRequest(request_id="2"))})
FAILED = a_job(phase=Phase.ERROR, error=JobFailure(code=JobCode.NO_AUDIO, message="."))
IMPORTED = a_job(spec=a_spec(source=Source(key="imports/talk.mp4", size_bytes=1)), phase=Phase.ERROR)


@pytest.mark.parametrize(
    ("key", "job", "keep_source", "needed"),
    [
        pytest.param(SOURCE, QUEUED, False, True, id="the source of a waiting job"),
        pytest.param(SOURCE, COMPLETED, False, False, id="the source of an ended one"),
        pytest.param(SOURCE, COMPLETED, True, True, id="unless sources are kept"),
        pytest.param(names.new_upload_key("default", "talk"), QUEUED, True, False, id="a lost race's upload"),
        pytest.param(RESULT + "output.mp3", COMPLETED, False, True, id="the result"),
        pytest.param(
            names.attempt_prefix("default", UID, Stage.OPTIMIZE, 1) + "x.mp3",
            COMPLETED,
            False,
            False,
            id="a failed attempt's",
        ),
        pytest.param(
            names.attempt_prefix("default", UID, Stage.OPTIMIZE, 22) + "x", COMPLETED, False, False, id="a like prefix"
        ),
        pytest.param(RESULT + "output.mp3", QUEUED, False, True, id="one in the making"),
        pytest.param(RESULT + "failure.json", FAILED, False, False, id="a verdict that was read"),
        pytest.param(TIMELINE, DIARIZED, False, True, id="the timeline"),
        pytest.param(TIMELINE, COMPLETED, False, False, id="a timeline without a request"),
        pytest.param(TIMELINE.replace("/3/", "/2/"), DIARIZED, False, False, id="a failed diarization's"),
        pytest.param(TIMELINE.replace("/3/", "/4/"), ASKED_AGAIN, False, True, id="a timeline in the making"),
        pytest.param(RESULT + "output.mp3", ASKED_AGAIN, False, True, id="the result while it is diarized"),
        pytest.param(names.trim_key("default", UID), COMPLETED, False, True, id="the trim's pointer"),
        pytest.param(names.new_trim_prefix("default", UID) + "t.mp3", COMPLETED, False, True, id="the trim's file"),
    ],
)
def test_needed_objects(key: str, job: WhisperJob, keep_source: bool, needed: bool) -> None:
    assert needed_objects(job, keep_source=keep_source).includes(key) is needed


@pytest.mark.parametrize(
    ("key", "age", "jobs", "orphan"),
    [
        pytest.param(SOURCE, 0, [QUEUED], False, id="a waiting job's source"),
        pytest.param(SOURCE, 0, [], False, id="a fresh upload: its record may be on its way"),
        pytest.param(SOURCE, 86_401, [], True, id="an old upload without a record"),
        pytest.param(SOURCE, 86_401, [COMPLETED], True, id="a source that outlived its job"),
        pytest.param("uploads/other/talk/ff", 86_401, [], False, id="another namespace's upload"),
        pytest.param(RESULT + "output.mp3", 0, [COMPLETED], False, id="a result"),
        pytest.param(RESULT + "output.mp3", 0, [], True, id="a deleted job's result"),
        pytest.param(f"jobs/other/{UID}/optimize/1/x.mp3", 0, [], False, id="another namespace's result"),
        pytest.param("imports/talk.mp4", 10**9, [IMPORTED], False, id="an imported source"),
        pytest.param("jobs/readme.txt", 10**9, [], False, id="a key of another program"),
    ],
)
def test_find_orphans(key: str, age: float, jobs: list[WhisperJob], orphan: bool) -> None:
    stored = StoredObject(key, 1, NOW - age)
    found = find_orphans([stored], jobs, [], "default", keep_source=False, now=NOW, upload_age=DAY)
    assert found == ([key] if orphan else [])
