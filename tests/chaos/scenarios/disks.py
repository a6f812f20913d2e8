"""A small disk of the service's own, which fills up or becomes read-only while jobs run."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.scenario import NotRunError
from chaos.trial import Trial, a_recording, trial
from support.programs.small_disk import fill, small_disk
from support.waiting import until_sync

DISK_MIB = 1024
FULL_SECONDS = 45.0
QUICK_SECONDS = 6.0
_ENVIRONMENT = {"WHISPERJOB_MIN_FREE_BYTES": "0", "WHISPERJOB_RETRY_BASE": "1s"}


def full_disk(folder: Path, full: bool) -> str:
    """Jobs wait for space, uploads are refused, deletion works; all goes on when there is space."""
    recording = a_recording(folder, 60)
    with small_disk(folder / "disk", DISK_MIB) as disk, trial(disk, _ENVIRONMENT) as running:
        done = running.service.upload(recording)
        running.service.ended(done)
        running.accept(recording)
        running.accept(recording)
        filler = fill(disk)
        with running.promises.watched(running.service):
            deleted = running.service.client.delete(f"/job/{done}")
            assert deleted.status_code == 204, f"a job cannot be deleted on a full disk: {deleted.text}"
            assert running.service.client.get(f"/job/{done}").status_code == 404
            refused = _uploads_refused(running, recording, {507}, full, lambda: fill(disk))
            until_sync(lambda: _is_not_ready(running, disk), "the service to say that it is not ready", 60)
            filler.unlink()
            running.promises.wait_for_ends(running.service, 240)
        until_sync(lambda: _ready(running), "the service to be ready again", 60)
        ends = running.settle()
    waited = f"{len(ends)} jobs waited and completed"
    return f"{waited}, {refused} uploads got 507, and a job was deleted while the disk was full"


def read_only_folder(folder: Path, full: bool) -> str:
    """Results are served, uploads are refused, the service says that it is not ready; all goes on afterwards."""
    recording = a_recording(folder, 60)
    with small_disk(folder / "disk", DISK_MIB) as disk, trial(disk, _ENVIRONMENT) as running:
        running.accept(recording)
        running.promises.wait_for_ends(running.service, 120)
        running.accept(recording)
        with _immutable(running.data), running.promises.watched(running.service):
            refused = _uploads_refused(running, recording, {503, 507}, full)
            running.promises.check_results(running.service)
            until_sync(lambda: not _ready(running), "the service to say that it is not ready", 60)
        until_sync(lambda: _ready(running), "the service to be ready again", 60)
        running.accept(recording)
        running.promises.wait_for_ends(running.service, 240)
        assert running.service.stop() == 0
        running.restart()  # the next start removes what could not be removed
        ends = running.settle()
    return f"{refused} uploads were refused, results were served; {len(ends)} of {len(ends)} accepted jobs completed"


def _uploads_refused(
    running: Trial, recording: Path, codes: set[int], full: bool, before_each: Callable[[], object] = lambda: None
) -> int:
    end = time.monotonic() + (FULL_SECONDS if full else QUICK_SECONDS)
    refused = 0
    while time.monotonic() < end:
        before_each()
        with recording.open("rb") as file:
            answer = running.service.client.post("/whisper_optimize", files={"file": ("talk.wav", file)})
        assert answer.status_code in codes, answer.text
        refused += 1
        time.sleep(0.2)
    return refused


def _is_not_ready(running: Trial, disk: Path) -> bool:
    fill(disk)  # the service frees a little with every attempt
    return not _ready(running)


def _ready(running: Trial) -> bool:
    return running.service.client.get("/readyz").status_code == 200


@contextmanager
def _immutable(data: Path) -> Iterator[None]:
    """Nothing can be created or removed in the folders of a service, not even by root, while the block lasts."""
    folders = [str(data), *(str(folder) for folder in data.rglob("*") if folder.is_dir())]
    done = subprocess.run(["chattr", "-f", "+i", *folders], capture_output=True, text=True)
    try:
        if done.returncode:
            raise NotRunError(f"the folders cannot be made immutable: {done.stderr.strip()}")
        yield
    finally:
        subprocess.run(["chattr", "-f", "-i", *folders], capture_output=True)
