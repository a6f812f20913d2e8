"""Who speaks when, through the whole service on one machine; only the diarizer's model is replaced."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.audio.media import write_speech
from support.programs.processes import lives
from support.service.serving import Service, served
from support.waiting import until_sync
from support.workers.diarizer_stand_in import interpreter

WHISPERJOB = str(Path(sys.executable).with_name("whisperjob"))


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("talk") / "talk.wav", seconds=5)


@pytest.fixture
def switches(tmp_path: Path) -> Path:
    folder = tmp_path / "diarizer"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(switches: Path) -> dict[str, str]:
    return {"WHISPERJOB_DIARIZER_PYTHON": str(interpreter(switches)), "WHISPERJOB_RETRY_BASE": "0.1s"}


@pytest.fixture
def service(tmp_path: Path, environment: dict[str, str]) -> Iterator[Service]:
    with served(tmp_path / "data", environment) as running:
        yield running


def completed(service: Service, talk: Path) -> str:
    job = service.upload(talk)
    assert service.ended(job)["status"] == "completed"
    return job


def request(service: Service, job: str, **numbers: int) -> int:
    return service.client.post("/diarize", json={"jobId": job, **numbers}).status_code


def shown(service: Service, job: str) -> dict[str, Any]:
    return dict(service.client.get(f"/diarize/{job}").raise_for_status().json())


def ended(service: Service, job: str) -> dict[str, Any]:
    until_sync(lambda: shown(service, job)["status"] != "running", "the diarization to end")
    return shown(service, job)


def test_it_finds_who_speaks_on_the_whole_timeline_of_a_job_in_chunks(service: Service, tmp_path: Path) -> None:
    long = write_speech(tmp_path / "long.wav", seconds=130)
    job = service.upload(long, maxChunkSeconds="60")
    assert service.ended(job)["totalChunks"] == 3
    assert request(service, job, numSpeakers=3) == 202
    got = ended(service, job)
    assert (got["status"], got["error"], got["result"]["num_speakers"]) == ("completed", None, 3)
    assert got["result"]["segments"][-1]["end"] == pytest.approx(service.job(job)["duration"], abs=0.001)
    assert service.job(job)["status"] == "completed"


def test_a_different_request_runs_again_and_the_old_result_goes(service: Service, talk: Path) -> None:
    job = completed(service, talk)
    for speakers in (1, 2):
        request(service, job, numSpeakers=speakers)
        assert ended(service, job)["result"]["num_speakers"] == speakers
    until_sync(lambda: len(timelines(service)) == 1, "the old result to go")


def timelines(service: Service) -> list[Path]:
    return [path for path in (service.data / "objects").rglob("diarize/*/*") if path.is_file()]


def test_a_killed_service_runs_it_again(
    service: Service, tmp_path: Path, environment: dict[str, str], switches: Path, talk: Path
) -> None:
    job = completed(service, talk)
    (switches / "hold").touch()
    request(service, job)
    until_sync(lambda: shown(service, job).get("progress") == 65, "the work to begin")
    service.kill()
    (switches / "hold").unlink()
    with served(tmp_path / "data", environment) as again:
        assert ended(again, job)["status"] == "completed"


def test_one_runs_at_a_time_and_the_next_says_what_it_waits_for(service: Service, switches: Path, talk: Path) -> None:
    first, second = completed(service, talk), completed(service, talk)
    (switches / "hold").touch()
    request(service, first)
    until_sync(lambda: shown(service, first).get("progress") == 65, "the first to run")
    request(service, second)
    until_sync(lambda: "waitingFor" in shown(service, second), "the second to say what it waits for")
    assert "1 diarization(s) are running, which is the limit." in shown(service, second)["waitingFor"]
    (switches / "hold").unlink()
    assert [ended(service, job)["status"] for job in (first, second)] == ["completed", "completed"]


def test_a_deleted_job_ends_its_diarizer(service: Service, switches: Path, talk: Path) -> None:
    job = completed(service, talk)
    (switches / "hold").touch()
    request(service, job)
    until_sync(lambda: shown(service, job).get("progress") == 65, "the work to begin")
    workers = service.descendants()
    service.client.delete(f"/job/{job}").raise_for_status()
    until_sync(lambda: sum(map(lives, workers)) <= 1, "the diarizer to end")  # the standby worker stays
    until_sync(lambda: not any((service.data / "objects" / "jobs").rglob("*.*")), "the objects to go")


def test_without_a_diarizer_it_says_how_to_get_one(tmp_path: Path, talk: Path) -> None:
    with served(tmp_path / "data") as service:
        job = completed(service, talk)
        answer = service.client.post("/diarize", json={"jobId": job})
        assert (answer.status_code, answer.json()["error"]) == (
            503,
            "There is no diarizer on this machine: `make diarizer` builds one, once. "
            "The service finds it when it starts.",
        )


def test_an_interpreter_that_cannot_run_the_diarizer_is_refused_at_the_start(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nPYTHONPATH= exec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    ended = subprocess.run(
        [WHISPERJOB, "serve", "--data-dir", str(tmp_path / "data"), "--port", "0"],
        env={**os.environ, "WHISPERJOB_DIARIZER_PYTHON": str(bare)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{bare} (WHISPERJOB_DIARIZER_PYTHON) cannot run the diarizer: ")
    assert "No module named" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_model_that_cannot_be_had_says_what_to_do_and_may_be_tried_again(
    service: Service, switches: Path, talk: Path
) -> None:
    job = completed(service, talk)
    (switches / "refuse").touch()
    request(service, job)
    assert ended(service, job)["error"] == "Diarization failed: The model needs a token: set HF_TOKEN."
    (switches / "refuse").unlink()
    assert request(service, job) == 202
    assert ended(service, job)["status"] == "completed"


def test_a_diarizer_that_dies_is_tried_three_times(service: Service, switches: Path, talk: Path) -> None:
    job = completed(service, talk)
    (switches / "crash").write_text("1")
    request(service, job)
    got = ended(service, job)
    assert (got["status"], got["errorCode"]) == ("error", "infrastructure")
    assert "3 times" in got["error"]
    assert service.job(job)["status"] == "completed"
