"""The programs that workers run are missing, or do not work. No recording is blamed for it."""

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from chaos.trial import Trial, a_recording, trial
from support.waiting import until_sync

_FAILING = "#!/bin/sh\nexit 1\n"
_SILENT = "#!/bin/sh\nexit 0\n"
_FULL_SECONDS = 20.0


def missing_programs(folder: Path, full: bool) -> str:
    """Jobs wait while a program is missing or does not work, the service is not ready, and all ends well afterwards."""
    recording = a_recording(folder, 10)
    bad_file = folder / "notes.mp3"
    bad_file.write_bytes(bytes(range(256)) * 40)
    programs = folder / "programs"
    programs.mkdir()
    for name in ("ffmpeg", "ffprobe"):
        (programs / name).symlink_to(str(shutil.which(name)))
    waits = {"WHISPERJOB_RETRY_BASE": "1s", "WHISPERJOB_RETRY_CAP": "4s"}
    environment = {"WHISPERJOB_FFMPEG": str(programs / "ffmpeg"), **waits}
    ways: dict[str, Callable[[Path], None]] = {
        "is missing": _remove,
        "fails": lambda program: _replace(program, _FAILING),
        "says nothing": lambda program: _replace(program, _SILENT),
        "is no program": lambda program: _replace(program, "x"),
    }
    tried = []
    with trial(folder, environment) as running:
        for name in ("ffprobe", "ffmpeg"):
            for how, break_it in ways.items() if full else list(ways.items())[:2]:
                program = programs / name
                break_it(program)
                job = running.accept(recording)
                running.accept(bad_file)
                with running.promises.watched(running.service):
                    until_sync(partial(_waits, running, job), "the job to say that it waits", 60)
                    until_sync(lambda: not _ready(running), "the service to say that it is not ready", 60)
                    time.sleep(_FULL_SECONDS if full else 0)  # however long it takes, no attempt is one too many
                    program.unlink(missing_ok=True)
                    program.symlink_to(str(shutil.which(name)))
                    running.promises.wait_for_ends(running.service, 120)
                until_sync(lambda: _ready(running), "the service to be ready again", 60)
                tried.append(f"{name} {how}")
        ends = running.settle(may_fail_with={"not_media"})
    completed = sum(end["status"] == "completed" for end in ends.values())
    others = len(ends) - completed
    return f"{', '.join(tried)}: {completed} recordings completed, {others} files that are none got not_media"


def _waits(running: Trial, job: str) -> bool:
    return "ffprobe" in running.service.job(job).get("waitingFor", "")


def _remove(program: Path) -> None:
    program.unlink()


def _replace(program: Path, text: str) -> None:
    program.unlink()
    program.write_text(text)
    program.chmod(0o755)


def _ready(running: Trial) -> bool:
    return running.service.client.get("/readyz").status_code == 200
