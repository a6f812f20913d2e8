"""The wall clock jumps: an hour, a day, a week, and back. Running work goes on, and nothing is deleted."""

from pathlib import Path

from chaos.scenario import NotRunError
from chaos.trial import a_recording, trial
from support.waiting import until_sync

_LIBRARY = "libfaketime.so.1"
_FOLDERS = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime")
JUMPS = ("+26h", "+8d", "-3h", "+0s")


def jumping_clock(folder: Path, full: bool) -> str:
    """Jobs that run or have ended are as they were, whatever the clock says."""
    setting = folder / "clock"
    setting.write_text("+0s")
    environment = {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(setting),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "WHISPERJOB_RESYNC_INTERVAL": "2s",
    }
    jumps = JUMPS if full else JUMPS[1:2]
    recording = a_recording(folder, 240 if full else 90)
    with trial(folder, environment) as running:
        running.accept(recording)
        running.promises.wait_for_ends(running.service, 120)
        for jump in jumps:
            running.accept(recording)
            running.accept(recording)
            until_sync(running.service.descendants, "a worker", 30)
            setting.write_text(jump)
            with running.promises.watched(running.service):
                running.promises.wait_for_ends(running.service, 240)
            running.promises.check_results(running.service)
        ends = running.settle()
    return (
        f"jumps of {', '.join(jumps)} under running jobs: {len(ends)} of {len(ends)} completed, all results still there"
    )


def _library() -> Path:
    found = next((Path(folder) / _LIBRARY for folder in _FOLDERS if (Path(folder) / _LIBRARY).is_file()), None)
    if found is None:
        raise NotRunError("there is no libfaketime (Debian: apt-get install faketime)")
    return found
