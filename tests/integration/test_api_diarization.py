"""Asking who speaks when, over HTTP: what is started, what is left alone, and what is shown of it."""

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


async def ask(server: ApiServer, job: WhisperJob, **numbers: Any) -> httpx.Response:
    return await server.client.post("/diarize", json={"jobId": job.name, **numbers})


async def shown(server: ApiServer, job: WhisperJob) -> Any:
    return (await server.client.get(f"/diarize/{job.name}")).raise_for_status().json()


async def live(server: ApiServer, job: WhisperJob) -> WhisperJob:
    return await server.records.get(job.name)


async def write(server: ApiServer, job: WhisperJob, conditions: tuple[Condition, ...] = (), **state: Any) -> None:
    """What the engine writes about the request that stands in the spec."""
    now = await live(server, job)
    assert now.spec.diarization is not None
    fresh = DiarizationState(request_id=now.spec.diarization.request_id, request_time=at(0), **state)
    status = now.status.model_copy(update={"diarization": fresh, "conditions": conditions})
    written = await server.records.patch_status(job.name, status, now.version)
    await until(lambda: server.api.cache.get(job.name) == written, "the cache to know it")


async def finish(server: ApiServer, job: WhisperJob) -> None:
    """What worker and engine do at the end."""
    data = TIMELINE.model_dump_json(by_alias=True).encode()
    key = names.attempt_prefix(job.metadata.namespace, job.uid, Stage.DIARIZE, 1) + names.MANIFEST_NAME
    server.store.put(key, io.BytesIO(data))
    sha256 = hashlib.sha256(data).hexdigest()
    await write(server, job, phase=Phase.COMPLETED, attempt=1, result_key=key, result_sha256=sha256)


async def test_asking_starts_one(server: ApiServer, job: WhisperJob) -> None:
    answer = await ask(server, job, numSpeakers=3)
    assert answer.status_code == 202
    assert answer.json() == {"jobId": job.name, "status": "running", "message": "Diarization started"}
    asked = (await live(server, job)).spec.diarization
    assert asked is not None
    assert (asked.num_speakers, asked.min_speakers, asked.max_speakers) == (3, None, None)


async def test_zero_speakers_means_find_out(server: ApiServer, job: WhisperJob) -> None:
    await ask(server, job, numSpeakers=0)
    asked = (await live(server, job)).spec.diarization
    assert asked is not None
    assert asked.num_speakers is None


@pytest.mark.parametrize("bounds", [{"minSpeakers": 3}, {"maxSpeakers": 1}, {"minSpeakers": 1, "maxSpeakers": 1}])
async def test_a_number_outside_its_bounds_is_refused(
    server: ApiServer, job: WhisperJob, bounds: dict[str, int]
) -> None:
    answer = await ask(server, job, numSpeakers=2, **bounds)
    assert (answer.status_code, answer.json()) == (
        422,
        {"error": "numSpeakers must lie between minSpeakers and maxSpeakers.", "code": "invalid_request"},
    )
    assert (await live(server, job)).spec.diarization is None


async def test_bounds_around_a_number_ask_for_nothing_else(server: ApiServer, job: WhisperJob) -> None:
    await ask(server, job, numSpeakers=2)
    first = (await live(server, job)).spec.diarization
    assert (await ask(server, job, numSpeakers=2, minSpeakers=1, maxSpeakers=4)).status_code == 202
    assert (await live(server, job)).spec.diarization == first


async def test_asking_again_while_it_runs_points_at_the_running_one(server: ApiServer, job: WhisperJob) -> None:
    await ask(server, job, numSpeakers=3)
    first = (await live(server, job)).spec.diarization
    assert (await ask(server, job, numSpeakers=3)).status_code == 202
    assert (await live(server, job)).spec.diarization == first


async def test_asking_for_something_else_while_it_runs_is_refused(server: ApiServer, job: WhisperJob) -> None:
    await ask(server, job, numSpeakers=3)
    answer = await ask(server, job, numSpeakers=2)
    assert (answer.status_code, answer.json()["code"]) == (409, "diarization_running")


async def test_a_result_stands_until_something_else_is_asked(server: ApiServer, job: WhisperJob) -> None:
    await ask(server, job)
    await finish(server, job)
    before = (await live(server, job)).spec.diarization
    assert (await ask(server, job)).status_code == 202
    assert (await live(server, job)).spec.diarization == before
    assert (await shown(server, job))["status"] == "completed"
    assert (await ask(server, job, numSpeakers=2)).status_code == 202
    assert (await live(server, job)).spec.diarization != before
    assert (await shown(server, job))["status"] == "running"


async def test_a_failed_one_may_be_tried_again(server: ApiServer, job: WhisperJob) -> None:
    await ask(server, job)
    failure = JobFailure(code=JobCode.MODEL_UNAVAILABLE, message="Set HF_TOKEN.")
    await write(server, job, phase=Phase.ERROR, error=failure)
    assert await shown(server, job) == {
        "jobId": job.name,
        "status": "error",
        "startedAt": "2026-02-12T10:00:00.000Z",
        "result": None,
        "error": "Diarization failed: Set HF_TOKEN.",
        "errorCode": "model_unavailable",
    }
    before = (await live(server, job)).spec.diarization
    assert (await ask(server, job)).status_code == 202
    assert (await live(server, job)).spec.diarization != before


async def test_a_running_one_shows_its_progress(server: ApiServer, job: WhisperJob) -> None:
    await ask(server, job)
    assert (await shown(server, job))["status"] == "running"
    await write(
        server,
        job,
        phase=Phase.PROCESSING,
        step=DiarizeStep.EMBEDDINGS,
        progress=55,
        attempt=1,
        start_time=at(1.5),
    )
    assert await shown(server, job) == {
        "jobId": job.name,
        "status": "running",
        "startedAt": "2026-02-12T10:00:01.500Z",
        "progress": 55,
        "result": None,
        "error": None,
    }


async def test_what_it_waits_for_is_the_scheduler_s_own_sentence(server: ApiServer, job: WhisperJob) -> None:
    why = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    await ask(server, job)
    waits = Condition(
        type=ConditionType.SCHEDULED,
        status="False",
        reason=Reason.UNSCHEDULABLE,
        message=why,
        last_transition_time=at(0),
    )
    await write(server, job, (waits,), attempt=1)
    assert (await shown(server, job))["waitingFor"] == why


async def test_one_that_is_tried_again_waits_as_the_first_did(server: ApiServer, job: WhisperJob) -> None:
    def unscheduled(reason: Reason, message: str) -> Condition:
        return Condition(
            type=ConditionType.SCHEDULED, status="False", reason=reason, message=message, last_transition_time=at(0)
        )

    await ask(server, job)
    failed = unscheduled(Reason.RETRYING, "the worker was killed (SIGKILL)")
    await write(server, job, (failed,), phase=Phase.PROCESSING, attempt=1, progress=20)
    assert "waitingFor" not in await shown(server, job)
    why = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    await write(server, job, (unscheduled(Reason.UNSCHEDULABLE, why),), phase=Phase.PROCESSING, attempt=2, progress=20)
    now = await shown(server, job)
    assert (now["progress"], now["waitingFor"]) == (20, why)


async def test_a_completed_one_shows_who_speaks_when(server: ApiServer, job: WhisperJob) -> None:
    await ask(server, job)
    await finish(server, job)
    assert (await shown(server, job))["result"] == {
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
    await ask(server, job)
    early = await server.client.get(f"/diarize/{job.name}", params={"format": "rttm"})
    assert (early.status_code, early.json()["code"]) == (409, "not_completed")
    await finish(server, job)
    answer = await server.client.get(f"/diarize/{job.name}", params={"format": "rttm"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.splitlines() == [
        f"SPEAKER {job.name} 1 0.000 2.000 <NA> <NA> SPEAKER_00 <NA> <NA>",
        f"SPEAKER {job.name} 1 1.500 2.000 <NA> <NA> SPEAKER_01 <NA> <NA>",
        f"SPEAKER {job.name} 1 4.000 1.250 <NA> <NA> SPEAKER_00 <NA> <NA>",
    ]


async def test_never_asked_is_not_found(server: ApiServer, job: WhisperJob) -> None:
    answer = await server.client.get(f"/diarize/{job.name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_two_at_once_start_one(server: ApiServer, job: WhisperJob) -> None:
    """The cache of a replica may be behind: the version decides."""
    stale = server.api.cache.get(job.name)
    assert stale is not None
    await ask(server, job)
    first = (await live(server, job)).spec.diarization
    server.api.cache.forget(job)
    server.api.cache.put(stale)
    assert (await ask(server, job)).status_code == 202
    assert (await live(server, job)).spec.diarization == first


async def test_without_a_diarizer_it_says_so_and_results_stay_readable(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(16_000)
        answer = await ask(server, job)
        assert (answer.status_code, answer.json()["code"]) == (503, "diarization_unavailable")
        assert (await live(server, job)).spec.diarization is None
