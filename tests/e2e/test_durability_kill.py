"""kill -9 at any moment, thirty times over a run of jobs: what was accepted is finished, once, and nothing is left."""

import hashlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.audio.media import write_speech
from support.programs.processes import lives
from support.service.serving import Service
from support.waiting import until_sync

KILLS = 30
FFMPEG_GONE_SECONDS = 5


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough that a job lasts about as long as the service lives between two kills."""
    file = tmp_path_factory.mktemp("recording") / "talk.wav"
    write_speech(file, seconds=150)
    return file


def served_whole(service: Service, job: dict[str, object]) -> None:
    """Every chunk that is offered can be had whole, and is what its manifest says."""
    chunks = job["chunks"]
    assert isinstance(chunks, list)
    assert chunks
    for chunk in chunks:
        answer = service.client.get(chunk["downloadUrl"])
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == chunk["sha256"]


def stored_files(data: Path) -> list[str]:
    """Every object but the installation's marker."""
    files = (str(file.relative_to(data)) for file in (data / "objects").rglob("*") if file.is_file())
    return sorted(file for file in files if "/installations/" not in file)


def test_thirty_kills(tmp_path: Path, recording: Path) -> None:
    chance = random.Random(20260212)
    data = tmp_path / "data"
    accepted: list[str] = []
    completed: set[str] = set()
    may_fail = True  # a job stands two failed workers, not three: at most one worker is killed per accepted job
    for kill in range(KILLS):
        service = Service(data)
        for job in accepted:
            status = service.job(job)
            assert status["status"] != "error", status
            assert job not in completed or status["status"] == "completed", "a finished job is no more"
            if status["status"] == "completed":
                served_whole(service, status)
                completed.add(job)
        unfinished = len(accepted) - len(completed)
        if unfinished < 2:
            accepted.append(service.upload(recording))
            may_fail = True
        if kill % 3 == 0:
            until_sync(service.descendants, "a worker")
        victim = chance.choice(["server", "server", "worker"])
        time.sleep(chance.uniform(0, 1.5))  # no condition to wait for: any moment may be the wrong one
        if victim == "worker" and may_fail and (workers := service.descendants()):
            may_fail = False
            os.kill(chance.choice(workers), signal.SIGKILL)
        if kill % 4 == 3:
            _vanish_midway(service, recording)
        service.kill()
    service = Service(data)
    for job in accepted:
        ended = service.ended(job)
        assert ended["status"] == "completed", ended
        served_whole(service, ended)
    assert service.client.get("/stats").json()["totalJobs"] == len(accepted)
    descendants = service.descendants()
    assert service.stop() == 0
    assert not any(lives(pid) for pid in descendants)
    left = stored_files(data)
    assert sum(file.endswith("manifest.json") for file in left) == len(accepted)
    assert [file for file in left if "uploads/" in file] == []
    assert len(left) == 2 * len(accepted), left


def _vanish_midway(service: Service, recording: Path) -> None:
    """An upload in flight when the server dies: it must leave no job and no object."""
    body = recording.read_bytes()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="t.wav"\r\n\r\n'

    def pieces() -> Iterator[bytes]:
        yield head + body[: len(body) // 2]
        service.process.kill()
        yield body[len(body) // 2 :]

    with pytest.raises(httpx.TransportError):
        service.client.post(
            "/whisper_optimize",
            content=pieces(),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
