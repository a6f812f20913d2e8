"""`whisperjob serve` with two tenants: one that has queued a lot, and one that comes after it."""

from pathlib import Path

import httpx

from support.audio.media import write_silence
from support.service.serving import Service, served
from support.waiting import until_sync

KEYS = {tenant: f"a-key-that-only-{tenant}-has-0123456789" for tenant in ("alice", "bob")}
ENVIRONMENT = {
    "WHISPERJOB_API_KEYS": ",".join(f"{tenant}:{key}" for tenant, key in KEYS.items()),
    "WHISPERJOB_WORKERS": "1",
}


def count(service: Service, tenant: str, status: str) -> int:
    answer = httpx.get(f"{service.url}/stats", headers={"X-API-Key": KEYS[tenant]})
    return int(answer.json()[status])


def submit(service: Service, tenant: str, file: Path, number: int) -> None:
    for _ in range(number):
        headers = {"X-API-Key": KEYS[tenant]}
        answer = httpx.post(f"{service.url}/whisper_optimize", headers=headers, files={"file": file.read_bytes()})
        assert answer.status_code == 202, answer.text


def test_a_few_jobs_do_not_wait_for_the_many_of_another_tenant(tmp_path: Path) -> None:
    file = write_silence(tmp_path / "silence.wav", seconds=20)
    with served(tmp_path / "data", ENVIRONMENT) as service:
        submit(service, "alice", file, 16)
        submit(service, "bob", file, 3)
        before = count(service, "alice", "completed")
        until_sync(lambda: count(service, "bob", "completed") == 3, "bob's jobs to end", 120)
        meanwhile = count(service, "alice", "completed") - before
        assert meanwhile <= 3 + 3, "each has its turn, and the counts are a moment apart"
        assert count(service, "alice", "queued") > 0, "alice had more than enough to do"
