"""Diarization over HTTP: which requests start one, which change nothing, and what is shown."""

import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.api.server import ApiServer, serving_api
from support.builders import a_timeline, at
from support.waiting import until
from whisperjob.model import names
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import ConditionType, DiarizeStep, Phase, Reason, Stage
from whisperjob.model.resource import Condition, DiarizationState, JobFailure, WhisperJob

TIMELINE = a_timeline(((0, 2, 0), (1.5, 3.5, 1), (4, 5.25, 0)), exclusive=())


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with serving_api(tmp_path, diarizes=True) as running:
        yield running


@pytest.fixture
async def job(server: ApiServer) -> WhisperJob:
    return await server.completed(16_000)


async def request_diarization(server: ApiServer, job: WhisperJob, **numbers: Any) -> httpx.Response:
    return await server.client.post("/diarize", json={"jobId": job.name, **numbers})


async def get_diarization(server: ApiServer, job: WhisperJob) -> Any:
    return (await server.client.get(f"/diarize/{job.name}")).raise_for_status().json()


async def read_record(server: ApiServer, job: WhisperJob) -> WhisperJob:
    return await server.records.get(job.name)


async def write_status(
    server: ApiServer, job: WhisperJob, conditions: tuple[Condition, ...] = (), **state: Any
) -> None:
    """Writes the status of the current request, as the engine does."""
    now = await read_record(server, job)
    assert now.spec.diarization is not None
    fresh = DiarizationState(request_id=now.spec.diarization.request_id, request_time=at(0), **state)
    status = now.status.model_copy(update={"diarization": fresh, "conditions": conditions})
    written = await server.records.patch_status(job.name, status, now.version)
    await until(lambda: server.cache.get(job.name) == written, "the cache to know it")


async def complete_diarization(server: ApiServer, job: WhisperJob) -> None:
    """Completes the diarization as a worker and the engine do."""
    data = TIMELINE.model_dump_json(by_alias=True).encode()
    key = names.attempt_prefix(job.metadata.namespace, job.uid, Stage.DIARIZE, 1) + names.MANIFEST_NAME
    server.store.put(key, io.BytesIO(data))
    sha256 = hashlib.sha256(data).hexdigest()
    await write_status(server, job, phase=Phase.COMPLETED, attempt=1, result_key=key, result_sha256=sha256)


async def test_a_request_starts_a_diarization(server: ApiServer, job: WhisperJob) -> None:
    answer = await request_diarization(server, job, numSpeakers=3)
    assert answer.status_code == 202
    assert answer.json() == {"jobId": job.name, "status": "running", "message": "Diarization started"}
    request = (await read_record(server, job)).spec.diarization
    assert request is not None
    assert (request.num_speakers, request.min_speakers, request.max_speakers) == (3, None, None)


async def test_zero_speakers_means_find_out(server: ApiServer, job: WhisperJob) -> None:
    await request_diarization(server, job, numSpeakers=0)
    request = (await read_record(server, job)).spec.diarization
    assert request is not None
    assert request.num_speakers is None


@pytest.mark.parametrize("bounds", [{"minSpeakers": 3}, {"maxSpeakers": 1}, {"minSpeakers": 1, "maxSpeakers": 1}])
async def test_a_number_outside_its_bounds_is_refused(
    server: ApiServer, job: WhisperJob, bounds: dict[str, int]
) -> None:
    answer = await request_diarization(server, job, numSpeakers=2, **bounds)
    assert (answer.status_code, answer.json()) == (
        422,
        {"error": "numSpeakers must lie between minSpeakers and maxSpeakers.", "code": "invalid_request"},
    )
    assert (await read_record(server, job)).spec.diarization is None


async def test_bounds_around_a_number_change_nothing(server: ApiServer, job: WhisperJob) -> None:
    await request_diarization(server, job, numSpeakers=2)
    first = (await read_record(server, job)).spec.diarization
    assert (await request_diarization(server, job, numSpeakers=2, minSpeakers=1, maxSpeakers=4)).status_code == 202
    assert (await read_record(server, job)).spec.diarization == first


async def test_a_repeated_request_returns_the_running_diarization(server: ApiServer, job: WhisperJob) -> None:
    await request_diarization(server, job, numSpeakers=3)
    first = (await read_record(server, job)).spec.diarization
    assert (await request_diarization(server, job, numSpeakers=3)).status_code == 202
    assert (await read_record(server, job)).spec.diarization == first


async def test_another_request_is_refused_while_one_runs(server: ApiServer, job: WhisperJob) -> None:
    await request_diarization(server, job, numSpeakers=3)
    answer = await request_diarization(server, job, numSpeakers=2)
    assert (answer.status_code, answer.json()["code"]) == (409, "diarization_running")


async def test_a_result_stays_until_another_number_is_requested(server: ApiServer, job: WhisperJob) -> None:
    await request_diarization(server, job)
    await complete_diarization(server, job)
    before = (await read_record(server, job)).spec.diarization
    assert (await request_diarization(server, job)).status_code == 202
    assert (await read_record(server, job)).spec.diarization == before
    assert (await get_diarization(server, job))["status"] == "completed"
    assert (await request_diarization(server, job, numSpeakers=2)).status_code == 202
    assert (await read_record(server, job)).spec.diarization != before
    assert (await get_diarization(server, job))["status"] == "running"


async def test_a_failed_diarization_may_be_repeated(server: ApiServer, job: WhisperJob) -> None:
    await request_diarization(server, job)
    failure = JobFailure(code=JobCode.MODEL_UNAVAILABLE, message="Set HF_TOKEN.")
    await write_status(server, job, phase=Phase.ERROR, error=failure)
    assert await get_diarization(server, job) == {
        "jobId": job.name,
        "status": "error",
        "startedAt": "2026-02-12T10:00:00.000Z",
        "result": None,
        "error": "Diarization failed: Set HF_TOKEN.",
        "errorCode": "model_unavailable",
    }
    before = (await read_record(server, job)).spec.diarization
    assert (await request_diarization(server, job)).status_code == 202
    assert (await read_record(server, job)).spec.diarization != before


async def test_a_running_diarization_shows_its_progress(server: ApiServer, job: WhisperJob) -> None:
    await request_diarization(server, job)
    assert (await get_diarization(server, job))["status"] == "running"
    await write_status(
        server,
        job,
        phase=Phase.PROCESSING,
        step=DiarizeStep.EMBEDDINGS,
        progress=55,
        attempt=1,
        start_time=at(1.5),
    )
    assert await get_diarization(server, job) == {
        "jobId": job.name,
        "status": "running",
        "startedAt": "2026-02-12T10:00:01.500Z",
        "progress": 55,
        "result": None,
        "error": None,
    }


async def test_the_reason_to_wait_is_the_sentence_of_the_scheduler(server: ApiServer, job: WhisperJob) -> None:
    why = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    await request_diarization(server, job)
    waits = Condition(
        type=ConditionType.SCHEDULED,
        status="False",
        reason=Reason.UNSCHEDULABLE,
        message=why,
        last_transition_time=at(0),
    )
    await write_status(server, job, (waits,), attempt=1)
    assert (await get_diarization(server, job))["waitingFor"] == why


async def test_a_retry_shows_its_reason_to_wait_too(server: ApiServer, job: WhisperJob) -> None:
    def unscheduled(reason: Reason, message: str) -> Condition:
        return Condition(
            type=ConditionType.SCHEDULED, status="False", reason=reason, message=message, last_transition_time=at(0)
        )

    await request_diarization(server, job)
    failed = unscheduled(Reason.RETRYING, "the worker was killed (SIGKILL)")
    await write_status(server, job, (failed,), phase=Phase.PROCESSING, attempt=1, progress=20)
    assert "waitingFor" not in await get_diarization(server, job)
    why = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    await write_status(
        server, job, (unscheduled(Reason.UNSCHEDULABLE, why),), phase=Phase.PROCESSING, attempt=2, progress=20
    )
    now = await get_diarization(server, job)
    assert (now["progress"], now["waitingFor"]) == (20, why)


async def test_a_completed_diarization_shows_its_result(server: ApiServer, job: WhisperJob) -> None:
    await request_diarization(server, job)
    await complete_diarization(server, job)
    assert (await get_diarization(server, job))["result"] == {
        "segments": [
            {"start": 0.0, "end": 2.0, "speaker": "SPEAKER_00"},
            {"start": 1.5, "end": 3.5, "speaker": "SPEAKER_01"},
            {"start": 4.0, "end": 5.25, "speaker": "SPEAKER_00"},
        ],
        "exclusive": [],
        "speakers": [
            {"id": "SPEAKER_00", "total_seconds": 3.25},
            {"id": "SPEAKER_01", "total_seconds": 2.0},
        ],
        "num_speakers": 2,
        "total_segments": 3,
        "model": "test 1",
        "device": "cpu",
        "notes": [],
    }


async def test_rttm_is_for_other_tools(server: ApiServer, job: WhisperJob) -> None:
    await request_diarization(server, job)
    early = await server.client.get(f"/diarize/{job.name}", params={"format": "rttm"})
    assert (early.status_code, early.json()["code"]) == (409, "not_completed")
    await complete_diarization(server, job)
    answer = await server.client.get(f"/diarize/{job.name}", params={"format": "rttm"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.splitlines() == [
        f"SPEAKER {job.name} 1 0.000 2.000 <NA> <NA> SPEAKER_00 <NA> <NA>",
        f"SPEAKER {job.name} 1 1.500 2.000 <NA> <NA> SPEAKER_01 <NA> <NA>",
        f"SPEAKER {job.name} 1 4.000 1.250 <NA> <NA> SPEAKER_00 <NA> <NA>",
    ]


async def test_without_a_request_nothing_is_found(server: ApiServer, job: WhisperJob) -> None:
    answer = await server.client.get(f"/diarize/{job.name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_two_requests_at_once_start_one_diarization(server: ApiServer, job: WhisperJob) -> None:
    """The cache of a replica may be behind: the version decides."""
    stale = server.cache.get(job.name)
    assert stale is not None
    await request_diarization(server, job)
    first = (await read_record(server, job)).spec.diarization
    server.cache.forget(job)
    server.cache.put(stale)
    assert (await request_diarization(server, job)).status_code == 202
    assert (await read_record(server, job)).spec.diarization == first


async def test_without_a_diarizer_requests_are_refused_and_results_stay_readable(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(16_000)
        answer = await request_diarization(server, job)
        assert (answer.status_code, answer.json()["code"]) == (503, "diarization_unavailable")
        assert (await read_record(server, job)).spec.diarization is None


async def test_the_channels_of_a_multichannel_job_are_its_speakers(tmp_path: Path) -> None:
    """Without a diarizer, a model or a request."""
    async with serving_api(tmp_path) as server:
        call = await server.completed(8000, 8000, 8000, 8000, multichannel=True)
        view = await get_diarization(server, call)
        assert view["status"] == "completed"
        assert view["result"]["exclusive"] == [
            {"start": 0.0, "end": 0.5, "speaker": "CHANNEL_01"},
            {"start": 0.5, "end": 0.8, "speaker": "CHANNEL_00"},
        ]
        assert view["result"]["segments"][0] == {"start": 0.0, "end": 0.6, "speaker": "CHANNEL_01"}
        assert (view["result"]["model"], view["result"]["num_speakers"]) == ("channels", 2)
        assert (await request_diarization(server, call, numSpeakers=3)).status_code == 202
        assert (await read_record(server, call)).spec.diarization is None
        rttm = await server.client.get(f"/diarize/{call.name}", params={"format": "rttm"})
        assert rttm.text.splitlines()[0].endswith("1 0.000 0.600 <NA> <NA> CHANNEL_01 <NA> <NA>")
