"""The database of the job records is locked, damaged or lost."""

import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from chaos.trial import Trial, a_recording, trial
from support.programs.environment import unconfigured
from support.waiting import until_sync

FULL_SECONDS = 40.0
QUICK_SECONDS = 8.0
_START_SECONDS = 60
_DAMAGE = b"\xff" * 4096


def locked(folder: Path, full: bool) -> str:
    """What needs no write is answered; what needs one waits, or is refused."""
    recording = a_recording(folder, 30)
    with trial(folder) as running:
        running.accept(recording)
        running.promises.wait_for_ends(running.service, 120)
        running.accept(recording)
        connection = sqlite3.connect(running.data / "jobs.sqlite", isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
            seconds = FULL_SECONDS if full else QUICK_SECONDS
            refused = 0
            end = time.monotonic() + seconds
            with running.promises.watched(running.service):
                while time.monotonic() < end:
                    with recording.open("rb") as file:
                        answer = running.service.client.post("/whisper_optimize", files={"file": ("talk.wav", file)})
                    assert answer.status_code == 503, answer.text
                    refused += 1
                running.promises.check_results(running.service)
                until_sync(lambda: not _ready(running), "the service to say that it is not ready", 60)
        finally:
            connection.close()
        until_sync(lambda: _ready(running), "the service to be ready again", 60)
        ends = running.settle()
    return f"locked for {seconds:.0f} s: {refused} uploads got 503; {len(ends)} of {len(ends)} accepted jobs completed"


def damaged_and_lost(folder: Path, full: bool) -> str:
    """Nothing is deleted, and nothing is written over, until the database is restored."""
    recording = a_recording(folder, 10)
    with trial(folder) as running:
        for _ in range(5 if full else 2):
            running.accept(recording)
        running.promises.wait_for_ends(running.service, 120)
        assert running.service.stop() == 0
        objects = _objects(running)
        backup = folder / "backup"
        backup.mkdir()
        databases = list(running.data.glob("jobs.sqlite*"))
        for database in databases:
            shutil.copy2(database, backup)
        with (running.data / "jobs.sqlite").open("r+b") as file:
            file.write(_DAMAGE)
        refusal = _refused_start(running)
        assert (running.data / "jobs.sqlite").read_bytes()[: len(_DAMAGE)] == _DAMAGE, (
            "the damaged file was written over"
        )
        assert _objects(running) == objects, "objects were deleted although the database is damaged"
        for database in running.data.glob("jobs.sqlite*"):
            database.unlink()
        _start_and_stop(running)
        assert set(objects) <= set(_objects(running)), "objects were deleted although the database is lost"
        for database in running.data.glob("jobs.sqlite*"):
            database.unlink()
        for database in backup.iterdir():
            shutil.copy2(database, running.data)
        running.restart()
        ends = running.settle()
    return (
        f"damaged: {refusal} Lost: no object was deleted. Restored: {len(ends)} of {len(ends)} jobs with their results"
    )


def _objects(running: Trial) -> list[str]:
    return [stored.key for prefix in ("jobs/", "uploads/") for stored in running.store.list(prefix)]


def _command(running: Trial) -> list[str]:
    program = str(Path(sys.executable).with_name("whisperjob"))
    return [program, "serve", "--port", "0", "--data-dir", str(running.data)]


def _refused_start(running: Trial) -> str:
    """Returns the sentence with which the service refuses to start."""
    done = subprocess.run(
        _command(running),
        env={**unconfigured(), **running.environment},
        capture_output=True,
        text=True,
        timeout=_START_SECONDS,
    )
    assert done.returncode not in (0, -11), done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.strip().splitlines()[-1].replace(str(running.data), "DATA")


def _start_and_stop(running: Trial) -> None:
    """The service may refuse to start, or start and keep what it does not know; both lose nothing."""
    process = subprocess.Popen(
        _command(running),
        env={**unconfigured(), **running.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "http://" in line:
            break
    process.terminate()
    process.communicate(timeout=_START_SECONDS)


def _ready(running: Trial) -> bool:
    return running.service.client.get("/readyz").status_code == 200
