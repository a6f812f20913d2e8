"""Valid files with wrong bytes: each gets an answer, and none holds up a good file."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import httpx

from chaos.latency import compared, latencies
from chaos.trial import KEYS, Trial, a_recording, trial
from support.audio.media import ffmpeg
from whisperjob.model.errors import INPUT_CODES

FULL_FILES = 2000
QUICK_FILES = 80
UPLOADERS = 4
FILE_SECONDS = 1500.0
_FORMATS = {
    "talk.wav": (),
    "talk.flac": (),
    "talk.mp3": (),
    "talk.ogg": ("-c:a", "libvorbis"),
    "talk.opus": ("-c:a", "libopus"),
    "talk.m4a": (),
    "talk.aac": (),
    "talk.wma": (),
    "talk.aiff": (),
    "talk.caf": (),
    "talk.au": (),
    "talk.mka": ("-c:a", "libopus"),
    "talk.webm": ("-c:a", "libopus"),
    "talk.ts": ("-c:a", "mp2"),
    "talk.mov": ("-c:a", "alac"),
    "talk.avi": ("-c:a", "libmp3lame"),
    "talk.flv": ("-c:a", "aac"),
    "talk.w64": (),
}
_HEADER_BYTES = 4096


def mutated_files(folder: Path, full: bool) -> str:
    """Every file ends as completed or with a verdict on the recording; other tenants do not notice."""
    count = FULL_FILES if full else QUICK_FILES
    talk = a_recording(folder, 6)
    originals = _originals(folder, talk)
    environment = {"WHISPERJOB_WORKERS": "2", "WHISPERJOB_MAX_UNFINISHED_JOBS": "40"}
    with trial(folder, environment) as running:
        quiet = latencies(running.service, 3)
        files: SimpleQueue[tuple[str, bytes] | None] = SimpleQueue()
        for mutation in _mutations(originals, count):
            files.put(mutation)
        with ThreadPoolExecutor(UPLOADERS) as uploaders, running.promises.watched(running.service):
            for _ in range(UPLOADERS):
                files.put(None)
            uploads = [uploaders.submit(_upload_all, running, files) for _ in range(UPLOADERS)]
            busy = latencies(running.service, 3)
            for upload in uploads:
                upload.result()
            running.promises.wait_for_ends(running.service, FILE_SECONDS)
        ends = running.settle(may_fail_with=INPUT_CODES)
    assert len(ends) == count, f"{len(ends)} of {count} were accepted"
    how = Counter(end["errorCode"] or "completed" for end in ends.values())
    counted = ", ".join(f"{number} {code}" for code, number in how.most_common())
    return f"{count} files of {len(originals)} formats: {counted}; {compared(quiet, busy)}"


def _originals(folder: Path, talk: Path) -> dict[str, bytes]:
    made = {}
    for name, options in _FORMATS.items():
        ffmpeg("-i", talk, "-t", "2", *options, folder / name)
        made[name] = (folder / name).read_bytes()
    return made


def _mutations(originals: dict[str, bytes], count: int) -> Iterator[tuple[str, bytes]]:
    chance = random.Random(14)
    names = list(originals)
    for number in range(count):
        name = names[number % len(names)]
        data = bytearray(originals[name])
        match number % 5:
            case 4:
                other = originals[chance.choice(names)]
                cut = chance.randrange(len(data))
                data[cut:] = other[chance.randrange(len(other)) :]
            case kind:
                for _ in range((1, 20, 400, 20)[kind]):
                    reach = min(len(data), _HEADER_BYTES) if chance.random() < 0.7 else len(data)
                    data[chance.randrange(reach)] = chance.randrange(256)
        yield name, bytes(data)


def _upload_all(running: Trial, files: "SimpleQueue[tuple[str, bytes] | None]") -> None:
    with httpx.Client(base_url=running.service.url, headers={"X-API-Key": KEYS["quiet"]}, timeout=60) as client:
        while (item := files.get()) is not None:
            name, data = item
            while True:
                answer = client.post("/whisper_optimize", files={"file": (name, data)})
                if answer.status_code not in (429, 503):
                    break
                time.sleep(0.2)
            assert answer.status_code == 202, answer.text
            running.promises.accept(answer.json()["jobId"])
