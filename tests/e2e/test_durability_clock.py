"""The whole service on a machine whose clock jumps: libfaketime sets the time of day of the real program."""

from pathlib import Path

import pytest

from support.audio.media import write_speech
from support.service.serving import Service
from support.waiting import until_sync

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

pytestmark = pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (Debian: libfaketime)")


@pytest.mark.parametrize("jump", ["+26h", "+8d", "-8d"])
def test_a_clock_that_jumps_fails_no_job_and_deletes_no_result(tmp_path: Path, jump: str) -> None:
    recording, offset = tmp_path / "talk.wav", tmp_path / "offset"
    write_speech(recording, seconds=60)
    offset.write_text("+0\n")
    clock = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "WHISPERJOB_RETENTION": "24h",
        "WHISPERJOB_RESYNC_INTERVAL": "1s",
    }
    data = tmp_path / "data"
    service = Service(data, clock)
    before = service.upload(recording)
    assert service.ended(before)["status"] == "completed"
    during = service.upload(recording)
    until_sync(lambda: service.job(during)["status"] == "processing", "the second job to run")
    offset.write_text(f"{jump}\n")
    assert service.ended(during)["status"] == "completed"
    until_sync(lambda: any("the clock has jumped" in line for line in service.output), "the jump to be noticed")
    for _ in range(2):
        for job in (before, during):
            (chunk,) = service.job(job)["chunks"]
            assert service.client.get(chunk["downloadUrl"]).status_code == 200
        assert service.stop() == 0
        service = Service(data, clock)  # still wrong
    offset.write_text("+0\n")
    assert service.stop() == 0
    service = Service(data)  # put right
    for job in (before, during):
        assert service.job(job)["status"] == "completed"
    assert service.stop() == 0
