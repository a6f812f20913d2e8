"""Which objects still have a reader."""

import pytest

from support.builders import SHA, UID, a_job, a_spec
from whisperjob.engine.garbage import find_orphans, needed_objects
from whisperjob.engine.sweeping import find_disputed, why_not_sweep
from whisperjob.model import names
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import Phase, Stage
from whisperjob.model.resource import DiarizationRequest, DiarizationState, JobFailure, Output, Source, WhisperJob
from whisperjob.records.port import UnreadableRecord
from whisperjob.stores.port import StoredObject

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
    ("key", "jobs", "certain", "doubtful", "strangers"),
    [
        pytest.param(SOURCE, [QUEUED], 0, 0, 0, id="a waiting job's source"),
        pytest.param(SOURCE, [], 0, 1, 1, id="an upload without a record"),
        pytest.param(SOURCE, [COMPLETED], 1, 0, 0, id="a source that outlived its job"),
        pytest.param(names.new_upload_key("default", "talk"), [QUEUED], 0, 1, 0, id="a second upload under its name"),
        pytest.param("uploads/other/talk/ff", [], 0, 0, 0, id="another namespace's upload"),
        pytest.param(RESULT + "output.mp3", [COMPLETED], 0, 0, 0, id="a result"),
        pytest.param(RESULT.replace("/2/", "/1/") + "output.mp3", [COMPLETED], 1, 0, 0, id="a failed attempt's result"),
        pytest.param(RESULT + "output.mp3", [], 0, 1, 1, id="a result without a record"),
        pytest.param(f"jobs/other/{UID}/optimize/1/x.mp3", [], 0, 0, 0, id="another namespace's result"),
        pytest.param("imports/talk.mp4", [IMPORTED], 0, 0, 0, id="an imported source"),
        pytest.param("jobs/readme.txt", [], 0, 0, 0, id="a key of another program"),
        pytest.param(names.installation_key("default", "a"), [], 0, 0, 0, id="a marker"),
    ],
)
def test_find_orphans(key: str, jobs: list[WhisperJob], certain: int, doubtful: int, strangers: int) -> None:
    found = find_orphans([StoredObject(key, 1, 0.0)], jobs, [], "default", keep_source=False)
    assert (len(found.certain), len(found.doubtful), len(found.strangers)) == (certain, doubtful, strangers)


@pytest.mark.parametrize("key", [SOURCE, RESULT + "output.mp3"])
def test_what_belongs_to_a_quarantined_record_is_no_orphan(key: str) -> None:
    quarantined = UnreadableRecord("talk", UID, "7", "default", "status.phase: ?")
    found = find_orphans([StoredObject(key, 1, 0.0)], [], [quarantined], "default", keep_source=False)
    assert (found.certain, found.doubtful) == ((), {})


@pytest.mark.parametrize(
    ("others", "contested", "why"),
    [
        pytest.param([], False, "", id="nobody else"),
        pytest.param(["installations/a/b.json"], False, "(installations/a/b.json)", id="another installation"),
        pytest.param([], True, "another process", id="another process"),
    ],
)
def test_when_nothing_is_swept(others: list[str], contested: bool, why: str) -> None:
    said = why_not_sweep(others, contested)
    assert bool(said) is bool(why)
    assert why in said


@pytest.mark.parametrize(
    ("strangers", "before", "records", "disputed"),
    [
        pytest.param("", "", 0, "", id="nothing at all"),
        pytest.param("abc", "", 3, "", id="as many deleted jobs as there are others"),
        pytest.param("abc", "", 2, "abc", id="most records are missing"),
        pytest.param("a", "", 0, "a", id="all records are missing"),
        pytest.param("ab", "a", 9, "a", id="records come, and the objects stay"),
        pytest.param("b", "a", 9, "", id="the record is there again, or the objects are gone"),
        pytest.param("abcd", "ab", 2, "ab", id="deleted jobs beside lost records"),
    ],
)
def test_objects_of_lost_records_are_disputed(strangers: str, before: str, records: int, disputed: str) -> None:
    assert find_disputed(frozenset(strangers), frozenset(before), records) == frozenset(disputed)
