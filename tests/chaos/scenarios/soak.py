"""Many jobs of several tenants for minutes, good and bad files, while workers and their programs are killed."""

import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from chaos.latency import compared, latencies
from chaos.trial import KEYS, Trial, a_recording, trial
from whisperjob.model.errors import INPUT_CODES

FULL_SECONDS = 600.0
QUICK_SECONDS = 20.0
MOST_UNFINISHED = 6
"""Of each tenant: more than the workers can take, so that a queue stands all the time."""

_BETWEEN_KILLS_SECONDS = (3.0, 9.0)


def soak_with_kills(folder: Path, full: bool) -> str:
    """Nothing is lost, and nothing slows down, however long it goes on."""
    seconds = FULL_SECONDS if full else QUICK_SECONDS
    files = [a_recording(folder, 4), a_recording(folder, 30), folder / "notes.mp3", folder / "short.wav"]
    files[2].write_bytes(b"no recording at all, " * 1000)
    files[3].write_bytes(files[0].read_bytes()[:5000])
    # Each kill counts as a failure of the job that it meets; so many meet one here that three would not do.
    environment = {"WHISPERJOB_WORKERS": "2", "WHISPERJOB_MAX_FAILURES": "50", "WHISPERJOB_RETRY_BASE": "1s"}
    with trial(folder, environment) as running:
        quiet = latencies(running.service, 3)
        over = threading.Event()
        kills: list[int] = []
        threads = [
            threading.Thread(target=_submit, args=(running, tenant, files, over), daemon=True)
            for tenant in ("quiet", "busy")
        ]
        threads.append(threading.Thread(target=_kill_workers, args=(running, over, kills), daemon=True))
        for thread in threads:
            thread.start()
        busy = latencies(running.service, seconds)
        over.set()
        for thread in threads:
            thread.join()
        submitted = len(running.promises.accepted)
        ends = running.settle(may_fail_with=INPUT_CODES)
    how = Counter(end["errorCode"] or "completed" for end in ends.values())
    counted = ", ".join(f"{number} {code}" for code, number in how.most_common())
    return f"{seconds:.0f} s, {submitted} jobs, {len(kills)} kills: {counted}; {compared(quiet, busy)}"


def _submit(running: Trial, tenant: str, files: list[Path], over: threading.Event) -> None:
    chance = random.Random(tenant)
    with httpx.Client(base_url=running.service.url, headers={"X-API-Key": KEYS[tenant]}, timeout=60) as client:
        jobs: list[str] = []
        while not over.is_set():
            jobs = [job for job in jobs if client.get(f"/job/{job}").json()["status"] not in ("completed", "error")]
            if len(jobs) >= MOST_UNFINISHED:
                over.wait(0.3)
                continue
            file = chance.choices(files, weights=(6, 2, 1, 1))[0]
            with file.open("rb") as opened:
                answer = client.post("/whisper_optimize", files={"file": (file.name, opened)})
            assert answer.status_code == 202, answer.text
            jobs.append(answer.json()["jobId"])
            running.promises.accept(jobs[-1], KEYS[tenant])


def _kill_workers(running: Trial, over: threading.Event, kills: list[int]) -> None:
    chance = random.Random(14)
    until = time.monotonic() + chance.uniform(*_BETWEEN_KILLS_SECONDS)
    while not over.wait(0.1):
        if time.monotonic() < until:
            continue
        until = time.monotonic() + chance.uniform(*_BETWEEN_KILLS_SECONDS)
        if victims := running.service.descendants():
            victim = chance.choice(victims)
            os.kill(victim, signal.SIGKILL)
            kills.append(victim)
