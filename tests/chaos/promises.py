"""What the service promises about every accepted job, whatever happens: checked during the trouble and after it."""

import hashlib
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from support.service.serving import Service
from support.waiting import until_sync

_BETWEEN_LOOKS_SECONDS = 0.1
_RESULT = ("status", "error", "errorCode", "chunks", "duration", "warnings")


@dataclass(slots=True)
class _Seen:
    """The last that was seen of a job."""

    headers: dict[str, str] | None
    progress: float = 0.0
    end: dict[str, Any] | None = None


class Promises:
    """The accepted jobs of a service, which may be killed and started again meanwhile, and how each was seen last.

    A broken promise raises AssertionError: at once where the caller looks, at the end of the block in `watched`.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def accept(self, job: str, key: str | None = None) -> None:
        """From now on, `job` must never be lost. `key` is its tenant's, if the service's client has another."""
        self._seen.setdefault(job, _Seen(None if key is None else {"X-API-Key": key}))

    @property
    def accepted(self) -> Collection[str]:
        return self._seen.keys()

    @property
    def unfinished(self) -> list[str]:
        """The jobs whose end was not seen yet."""
        return [job for job, seen in self._seen.items() if seen.end is None]

    def look(self, service: Service) -> None:
        """Looks at every job once. A service that does not answer breaks no promise; a wrong answer does."""
        for job in list(self._seen):
            try:
                answer = service.client.get(f"/job/{job}", headers=self._seen[job].headers)
            except httpx.TransportError:
                return
            if answer.status_code >= 500:
                continue
            assert answer.status_code == 200, f"job {job} is lost: {answer.status_code} {answer.text[:200]}"
            self._compare(job, answer.json())

    def _compare(self, job: str, now: dict[str, Any]) -> None:
        seen = self._seen[job]
        ended = now["status"] in ("completed", "error")
        if seen.end is not None:
            assert {key: now.get(key) for key in _RESULT} == seen.end, f"job {job} changed after its end: {now}"
            return
        if ended:
            seen.end = {key: now.get(key) for key in _RESULT}
            return
        assert now["progress"] >= seen.progress, f"job {job} went back from {seen.progress} to {now['progress']} %"
        seen.progress = now["progress"]

    @contextmanager
    def watched(self, service: Service) -> Iterator[None]:
        """Looks at all jobs again and again while the block lasts."""
        broken: list[AssertionError] = []
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_BETWEEN_LOOKS_SECONDS):
                try:
                    self.look(service)
                except AssertionError as error:
                    broken.append(error)
                    return

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if broken:
            raise broken[0]

    def wait_for_ends(self, service: Service, timeout: float) -> dict[str, dict[str, Any]]:
        """Waits until every accepted job has ended; returns how, by job."""

        def all_ended() -> bool:
            self.look(service)
            return not self.unfinished

        until_sync(all_ended, f"{len(self._seen)} jobs to end", timeout)
        return {job: seen.end for job, seen in self._seen.items() if seen.end is not None}

    def check_results(self, service: Service) -> None:
        """Every chunk that a completed job offers can be downloaded whole, and is what its manifest says."""
        for seen in self._seen.values():
            if seen.end is not None and seen.end["status"] == "completed":
                assert seen.end["chunks"]
                for chunk in seen.end["chunks"]:
                    _check_chunk(service, chunk, seen.headers)


def _check_chunk(service: Service, chunk: dict[str, Any], headers: dict[str, str] | None) -> None:
    answer = service.client.get(chunk["downloadUrl"], headers=headers)
    assert answer.status_code == 200, answer.text
    assert hashlib.sha256(answer.content).hexdigest() == chunk["sha256"], chunk
