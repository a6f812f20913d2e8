"""A small disk of the service's own, which fills up or becomes read-only while jobs run."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.scenario import NotRunError
from chaos.trial import Trial, a_recording, trial
from support.waiting import until_sync

DISK_MIB = 256
FULL_SECONDS = 45.0
QUICK_SECONDS = 6.0
_LEFT_BYTES = 0
_ENVIRONMENT = {"WHISPERJOB_MIN_FREE_BYTES": "0", "WHISPERJOB_RETRY_BASE": "1s"}


def full_disk(folder: Path, full: bool) -> str:
    """Jobs wait for space, uploads are refused, deletion works; all goes on when there is space."""
    recording = a_recording(folder, 60)
    with _disk(folder / "disk") as disk, trial(disk, _ENVIRONMENT) as running:
        done = running.service.upload(recording)
        running.service.ended(done)
        running.accept(recording)
        running.accept(recording)
        filler = _fill(disk)
        with running.promises.watched(running.service):
            deleted = running.service.client.delete(f"/job/{done}")
            assert deleted.status_code == 204, f"a job cannot be deleted on a full disk: {deleted.text}"
            assert running.service.client.get(f"/job/{done}").status_code == 404
            refused = _uploads_refused(running, recording, {507}, full, lambda: _fill(disk, filler))
            until_sync(lambda: not _ready(running), "the service to say that it is not ready", 60)
            filler.unlink()
            running.promises.wait_for_ends(running.service, 240)
        until_sync(lambda: _ready(running), "the service to be ready again", 60)
        ends = running.settle()
    waited = f"{len(ends)} jobs waited and completed"
    return f"{waited}, {refused} uploads got 507, and a job was deleted while the disk was full"


def read_only_folder(folder: Path, full: bool) -> str:
    """Results are served, uploads are refused, the service says that it is not ready; all goes on afterwards."""
    recording = a_recording(folder, 60)
    with _disk(folder / "disk") as disk, trial(disk, _ENVIRONMENT) as running:
        running.accept(recording)
        running.promises.wait_for_ends(running.service, 120)
        running.accept(recording)
        with _immutable(running.data), running.promises.watched(running.service):
            refused = _uploads_refused(running, recording, {503, 507}, full)
            running.promises.check_results(running.service)
            until_sync(lambda: not _ready(running), "the service to say that it is not ready", 60)
        until_sync(lambda: _ready(running), "the service to be ready again", 60)
        running.accept(recording)
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


def _ready(running: Trial) -> bool:
    return running.service.client.get("/readyz").status_code == 200


def _fill(disk: Path, filler: Path | None = None) -> Path:
    filler = disk / "filler" if filler is None else filler
    with filler.open("ab") as file:
        more = shutil.disk_usage(disk).free - _LEFT_BYTES
        if more > 0:
            os.posix_fallocate(file.fileno(), file.tell(), more)
    return filler


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


@contextmanager
def _disk(folder: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        raise NotRunError("only root may mount the small disk that this needs")
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        raise NotRunError(f"the small disk that this needs cannot be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
