"""The client for programs with an event loop (asyncio, trio). The twin of `sync_client`; what decides is shared."""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import anyio
import anyio.to_thread
import httpx

from whisperjob_client import api_requests
from whisperjob_client.api_requests import Request
from whisperjob_client.connection import Connection, had_connected
from whisperjob_client.downloading import PartialDownload, Wanted, has, redirected, wanted
from whisperjob_client.errors import ClientError, DamagedDownloadError, NotFoundError
from whisperjob_client.models import (
    Accepted,
    Answer,
    Chunk,
    Diarization,
    DiarizationResult,
    DiarizationStarted,
    Health,
    Job,
    JobPage,
    JobState,
    Stats,
    Trim,
)
from whisperjob_client.polling import Patience, Poll
from whisperjob_client.responses import check, parse, unreachable
from whisperjob_client.results import (
    diarization_ended,
    diarization_result,
    diarization_state,
    job_ended,
    job_result,
    job_state,
)
from whisperjob_client.retrying import NO_RETRIES, RetryPolicy, retry_delay
from whisperjob_client.uploading import (
    BLOCK_BYTES,
    UPLOAD_PATH,
    Upload,
    UploadOptions,
    build_upload,
    changed,
    new_idempotency_key,
)

T = TypeVar("T", bound=Answer)
R = TypeVar("R")
Sent = Callable[[int, int], None]
"""Is told bytes so far and bytes in all."""


class AsyncClient:
    """A WhisperJob server. Every method raises ClientError and nothing else on purpose.

    Safe requests are tried again by themselves; so are uploads, which carry an Idempotency-Key of their own.
    """

    def __init__(self, connection: Connection, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep) -> None:
        self._connection = connection
        self._http = httpx.AsyncClient(**connection.to_httpx())
        self._retries = connection.retries
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def health(self) -> Health:
        return await self._call(api_requests.health())

    async def stats(self) -> Stats:
        return await self._call(api_requests.stats())

    async def job(self, job_id: str) -> Job:
        return await self._call(api_requests.job(job_id))

    async def page(self, status: JobState | None = None, limit: int = 50, cursor: str | None = None) -> JobPage:
        return await self._call(api_requests.jobs(status, limit, cursor))

    async def jobs(self, status: JobState | None = None) -> AsyncIterator[Job]:
        """All of them, newest first, a page at a time."""
        cursor = None
        while True:
            page = await self.page(status, 200, cursor)
            for job in page.jobs:
                yield job
            cursor = page.next_cursor
            if cursor is None:
                return

    async def delete(self, job_id: str) -> None:
        """A second try that finds nothing any more has been successful the first time."""
        tried = False

        async def once() -> None:
            nonlocal tried
            try:
                check(await self._http.request("DELETE", api_requests.job_path(job_id)))
            except NotFoundError:
                if not tried:
                    raise
            finally:
                tried = True

        await self._again(once, repeatable=True)

    async def trim(self, job_id: str, max_seconds: float) -> Trim:
        return await self._call(api_requests.trim(job_id, max_seconds))

    async def diarize(
        self,
        job_id: str,
        num_speakers: int | None = None,
        *,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
    ) -> DiarizationStarted:
        return await self._call(api_requests.diarize(job_id, num_speakers, min_speakers, max_speakers))

    async def diarization(self, job_id: str) -> Diarization:
        return await self._call(api_requests.diarization(job_id))

    async def submit(
        self,
        file: Path,
        options: UploadOptions | None = None,
        *,
        idempotency_key: str | None = None,
        on_sent: Sent | None = None,
    ) -> Accepted:
        """Sends the file in blocks; memory stays flat whatever its size."""
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        upload = build_upload(file, options or UploadOptions(), key)

        async def once() -> Accepted:
            content = _body(upload, on_sent)
            return parse(await self._http.post(UPLOAD_PATH, content=content, headers=upload.headers), Accepted)

        return await self._again(once, repeatable=upload.repeatable)

    async def wait(
        self, job_id: str, *, on_change: Callable[[Job], None] | None = None, patience: Patience | None = None
    ) -> Job:
        """The completed job. Raises JobFailedError if it failed, WaitTimeoutError if `patience` ran out."""
        return job_result(await self._poll(api_requests.job(job_id), job_state, job_ended, on_change, patience))

    async def wait_diarization(
        self, job_id: str, *, on_change: Callable[[Diarization], None] | None = None, patience: Patience | None = None
    ) -> DiarizationResult:
        """The result. Raises DiarizationFailedError if it failed, WaitTimeoutError if `patience` ran out."""
        request = api_requests.diarization(job_id)
        return diarization_result(await self._poll(request, diarization_state, diarization_ended, on_change, patience))

    async def download(self, chunk: Chunk, folder: Path, *, on_received: Callable[[int], None] | None = None) -> Path:
        """The file in `folder`, whole and checked; taken up where an earlier try broke off."""
        file = wanted(chunk, folder)
        if await anyio.to_thread.run_sync(has, file.target, file.sha256):
            return file.target
        try:
            return await self._again(lambda: self._fetch(file, on_received), repeatable=True)
        except DamagedDownloadError:
            return await self._again(lambda: self._fetch(file, on_received), repeatable=True)

    async def _fetch(self, file: Wanted, on_received: Callable[[int], None] | None) -> Path:
        with PartialDownload(file) as landing:
            async with self._opened(file.path, landing.headers) as response:
                if response.is_error:
                    await response.aread()
                if landing.begin(response):
                    async for piece in response.aiter_bytes():
                        landing.add(piece)
                        if on_received:
                            on_received(landing.size_bytes)
                return landing.finish()

    @asynccontextmanager
    async def _opened(self, path: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        async with self._http.stream("GET", path, headers=headers) as response:
            if (elsewhere := redirected(response)) is None:
                yield response
                return
        store = httpx.AsyncClient(**self._connection.to_store(elsewhere.host))
        async with store, store.stream("GET", elsewhere, headers=headers) as response:
            yield response

    async def _call(self, request: Request[T], retries: RetryPolicy | None = None) -> T:
        async def once() -> T:
            response = await self._http.request(request.method, request.path, params=request.params, json=request.json)
            return parse(response, request.answer)

        return await self._again(once, repeatable=request.repeatable, retries=retries)

    async def _again(
        self, once: Callable[[], Awaitable[R]], *, repeatable: bool, retries: RetryPolicy | None = None
    ) -> R:
        failed = 0
        while True:
            connected = True
            failure: ClientError
            try:
                return await once()
            except httpx.TransportError as error:
                connected, failure = had_connected(error), unreachable(error, self._http.base_url)
            except ClientError as error:
                failure = error
            failed += 1
            delay = retry_delay(
                retries or self._retries,
                failure,
                failed=failed,
                repeatable=repeatable,
                connected=connected,
                chance=random.random(),  # noqa: S311 - jitter is no secret
            )
            if delay is None:
                raise failure
            await self._sleep(delay)

    async def _poll(
        self,
        request: Request[T],
        state: Callable[[T], object],
        ended: Callable[[T], bool],
        on_change: Callable[[T], None] | None,
        patience: Patience | None,
    ) -> T:
        poll = Poll(patience or Patience(), time.monotonic())
        last: object = None
        while True:
            try:
                answer = await self._call(request, NO_RETRIES)
            except ClientError as error:
                await self._sleep(poll.failed(error, time.monotonic()))
                continue
            now_state = state(answer)
            if on_change and now_state != last:
                on_change(answer)
            last = now_state
            if ended(answer):
                return answer
            await self._sleep(poll.seen(now_state, time.monotonic()))


async def _body(upload: Upload, on_sent: Sent | None) -> AsyncIterator[bytes]:
    yield upload.head
    sent = 0
    async with await anyio.open_file(upload.file, "rb") as file:
        while block := await file.read(min(BLOCK_BYTES, upload.size_bytes - sent)):
            yield block
            sent += len(block)
            if on_sent:
                on_sent(sent, upload.size_bytes)
    if sent != upload.size_bytes:
        raise changed(upload.file)
    yield upload.tail
