"""`whisperjob serve` in a process of its own: the whole service, as a user runs it."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from support.programs.environment import unconfigured
from support.programs.processes import children_of, lives
from support.waiting import until_sync

START_SECONDS = 30
STOP_SECONDS = 30
JOB_SECONDS = 120
_URL = re.compile(r"http://[\d.]+:\d+")


class Service:
    """A running service and a client of it. The data folder outlives it: another service can continue with it."""

    def __init__(self, data: Path, environment: Mapping[str, str] | None = None, port: int = 0) -> None:
        self.data = data
        program = str(Path(sys.executable).with_name("whisperjob"))
        off = {"WHISPERJOB_DIARIZER_PYTHON": "off"}  # else it would depend on whether this machine has a diarizer
        self.process = subprocess.Popen(
            [program, "serve", "--port", str(port), "--data-dir", str(data)],
            env={**unconfigured(), **off, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output: list[str] = []
        self.url = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        until_sync(lambda: self.url or self.process.poll() is not None, "the service to listen", START_SECONDS)
        assert self.url, f"the service did not start:\n{''.join(self.output)}"
        keys = (environment or {}).get("WHISPERJOB_API_KEYS")
        key = keys.split(",")[0].rpartition(":")[2] if keys else (data / "api-key").read_text().strip()
        self.key = key
        self.client = httpx.Client(base_url=self.url, headers={"X-API-Key": key}, timeout=30)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if not self.url and (found := _URL.search(line)):
                self.url = found[0]

    def upload(self, file: Path, **fields: str) -> str:
        """Uploads a file; returns the job's id."""
        with file.open("rb") as opened:
            answer = self.client.post("/whisper_optimize", files={"file": (file.name, opened)}, data=fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobId"])

    def job(self, job: str) -> dict[str, Any]:
        answer = self.client.get(f"/job/{job}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, job: str, timeout: float = JOB_SECONDS) -> dict[str, Any]:
        """Returns the job when it is completed or failed."""
        until_sync(lambda: self.job(job)["status"] in ("completed", "error"), f"job {job} to end", timeout)
        return self.job(job)

    def descendants(self) -> list[int]:
        """Returns the process ids of the workers and of everything they run."""
        descendants: list[int] = []
        parents = [self.process.pid]
        while parents:
            children = children_of(parents.pop())
            descendants += children
            parents += children
        return descendants

    def kill(self) -> None:
        """Kills the server alone with SIGKILL; returns when its workers and their programs have ended."""
        descendants = self.descendants()
        self.process.kill()
        self.process.wait()
        until_sync(lambda: not any(lives(pid) for pid in descendants), "the workers to notice", 10)
        self._closed()

    def stop(self) -> int:
        """Sends SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS)
        self._closed()
        return code

    def _closed(self) -> None:
        self._reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.client.close()


@contextmanager
def served(data: Path, environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Runs a service while the block lasts, and ends it in any case."""
    service = Service(data, environment)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()
