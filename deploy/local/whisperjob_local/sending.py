"""A client for one file: send it, follow its job, fetch the chunks. Talks HTTP only, as any client would."""

import asyncio
import hashlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from whisperjob.model.errors import WhisperJobError
from whisperjob_local.output import remove_earlier

LISTING_NAME = "job.json"
"""Beside the chunks: what GET /job said when the job was completed."""

_POLL_SECONDS = 0.4
_TIMEOUT = httpx.Timeout(60.0, read=300.0, write=None)
"""Seconds. A slow disk may take long to take in the last of a large upload."""


class SendingError(WhisperJobError):
    """The service refused the file or the job failed; the message is for the person who sent it."""


class Watcher(Protocol):
    """Is told how far things are."""

    def uploaded(self, sent_bytes: int) -> None: ...

    def working(self, step: str, percent: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back: the files, in order, and what the service says about them."""

    files: tuple[Path, ...]
    warnings: tuple[str, ...]
    duration_seconds: float


async def send_file(
    url: str, api_key: str, file: Path, output: Path, form: dict[str, str], watcher: Watcher
) -> Fetched:
    """`output` exists. Raises SendingError, OSError (the file or the folder), httpx.HTTPError (the connection)."""
    headers = {"X-API-Key": api_key}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=False) as client:
        path = await _upload(client, file, form, watcher)
        job = await _follow(client, path, watcher)
        remove_earlier(output, LISTING_NAME)
        files = await _fetch(client, job, output)
    return Fetched(files, tuple(job.get("warnings", ())), float(job.get("duration") or 0))


async def _upload(client: httpx.AsyncClient, file: Path, form: dict[str, str], watcher: Watcher) -> str:
    with _CountedFile(file, watcher.uploaded) as source:
        name = os.fsencode(file.name).decode("utf-8", "replace")
        answer = await client.post(
            "/whisper_optimize", data=form, files={"file": (name, source, "application/octet-stream")}
        )
    return str(_checked(answer)["statusUrl"])


async def _follow(client: httpx.AsyncClient, path: str, watcher: Watcher) -> dict[str, Any]:
    while True:
        job = _checked(await client.get(path))
        if job["status"] == "completed":
            watcher.working("done", 100)
            return job
        if job["status"] == "error":
            raise SendingError(str(job["error"]))
        watcher.working(str(job["step"]), float(job["progress"]))
        await asyncio.sleep(_POLL_SECONDS)


async def _fetch(client: httpx.AsyncClient, job: dict[str, Any], output: Path) -> tuple[Path, ...]:
    files = []
    for chunk in job["chunks"]:
        target = output / Path(chunk["filename"]).name
        await _fetch_one(client, chunk["downloadUrl"], chunk["sha256"], target)
        files.append(target)
    listing = json.dumps(job, indent=2, ensure_ascii=False) + "\n"
    (output / LISTING_NAME).write_text(listing, encoding="utf-8")
    return tuple(files)


async def _fetch_one(client: httpx.AsyncClient, url: str, sha256: str, target: Path) -> None:
    """Never leaves a part of a file under its name."""
    beside = target.with_suffix(".part")
    digest = hashlib.sha256()
    try:
        async with client.stream("GET", url) as answer:
            if answer.is_error:
                await answer.aread()
                _checked(answer)
            with beside.open("wb") as file:
                async for piece in answer.aiter_bytes():
                    digest.update(piece)
                    file.write(piece)
        if digest.hexdigest() != sha256:
            raise SendingError(f"{target.name} arrived damaged (its SHA-256 is not what the service says).")
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _checked(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise SendingError(f"The service answered {answer.status_code} with something that is not JSON.")
    if answer.is_error:
        raise SendingError(str(body.get("error", f"The service answered {answer.status_code}.")))
    return body


class _CountedFile(io.FileIO):
    """A file that says how much of it was read."""

    def __init__(self, path: Path, tell: Callable[[int], None]) -> None:
        super().__init__(path, "rb")
        self._tell = tell
        self._read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._read_bytes += len(data)
        self._tell(self._read_bytes)
        return data
