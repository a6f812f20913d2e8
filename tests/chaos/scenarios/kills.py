"""kill -9 at any moment: of the service, of a worker, of the programs that a worker runs."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chaos.trial import Trial, a_recording, trial
from support.waiting import until_sync

FULL_KILLS = 50
QUICK_KILLS = 20


def kill_at_any_moment(folder: Path, full: bool) -> str:
    """What was accepted is finished, once, whenever the service is killed."""
    chance = random.Random(20260212)
    recording = a_recording(folder, 150)  # its job lasts about as long as the service lives between two kills
    kills = FULL_KILLS if full else QUICK_KILLS
    by_victim = {"service": 0, "worker": 0}
    worker_may_die = True
    with trial(folder) as running:
        for kill in range(kills):
            if kill:
                running.restart()
            running.promises.look(running.service)
            if len(running.promises.unfinished) < 2:
                running.accept(recording)
                worker_may_die = True  # a job stands two failed workers: at most one is killed per accepted job
            if kill % 3 == 0 and running.promises.unfinished:
                until_sync(running.service.descendants, "a worker", 30)
            time.sleep(chance.uniform(0, 1.5))  # there is no condition to wait for: any moment may be the wrong one
            workers = running.service.descendants()
            if worker_may_die and workers and chance.random() < 0.4:
                worker_may_die = False
                os.kill(chance.choice(workers), signal.SIGKILL)
                by_victim["worker"] += 1
            if kill % 4 == 3:
                _vanish_during_an_upload(running, recording)
            running.service.kill()
            by_victim["service"] += 1
        running.restart()
        ends = running.settle()
        stored = len(running.promises.accepted)
    return (
        f"{by_victim['service']} kills of the service and {by_victim['worker']} of workers or their programs: "
        f"{len(ends)} of {stored} accepted jobs completed, each once"
    )


def _vanish_during_an_upload(running: Trial, recording: Path) -> None:
    """The service dies while it receives an upload, which must leave no job and no object."""
    body = recording.read_bytes()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="t.wav"\r\n\r\n'

    def pieces() -> Iterator[bytes]:
        yield head + body[: len(body) // 2]
        running.service.process.kill()
        yield body[len(body) // 2 :]

    with pytest.raises(httpx.TransportError):
        running.service.client.post(
            "/whisper_optimize",
            content=pieces(),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
