# Generated from async_client.py by client/generate_sync.py; do not edit.
"""The client for programs without an event loop."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from whisperjob_client import sync_io
from whisperjob_client.api import requests
from whisperjob_client.api.bounded_bodies import file_limits
from whisperjob_client.api.polling import Patience, Poll
from whisperjob_client.api.requests import Request
from whisperjob_client.api.responses import (
    MAX_PAGES,
    check,
    endless_list,
    may_have_arrived,
    parse,
    unreachable,
    unusable_address,
)
from whisperjob_client.api.results import (
    diarization_ended,
    diarization_result,
    diarization_state,
    job_ended,
    job_result,
    job_state,
)
from whisperjob_client.api.retrying import NO_RETRIES, RetryPolicy, retry_delay
from whisperjob_client.connection import Connection
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
from whisperjob_client.options import SpeakerCount, UploadOptions
from whisperjob_client.transfer import BLOCK_BYTES
from whisperjob_client.transfer.downloading import (
    DownloadTarget,
    PartialDownload,
    download_target,
    is_complete,
    redirect_to_store,
)
from whisperjob_client.transfer.uploading import Upload, build_upload, changed_while_sent, new_idempotency_key

T = TypeVar("T", bound=Answer)
R = TypeVar("R")

UploadProgress = Callable[[int, int], None]
"""Takes the bytes sent so far, and the bytes of the whole file."""

DownloadProgress = Callable[[int], None]
"""Takes the bytes that are here so far."""


class Client:
    """A client of one WhisperJob server. The errors that its methods raise on purpose are all ClientError.

    Requests that may be repeated are retried; so are uploads, because each has an Idempotency-Key of its own.
    """

    def __init__(self, connection: Connection, *, sleep: sync_io.Sleep = sync_io.sleep) -> None:
        """Raises UsageError if the URL or the key is unusable."""
        self._connection = connection
        self._http = httpx.Client(**connection.to_httpx(), event_hooks=sync_io.event_hooks())
        self._retries = connection.retries
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def health(self) -> Health:
        return self._call(requests.health())

    def stats(self) -> Stats:
        return self._call(requests.stats())

    def job(self, job_id: str) -> Job:
        return self._call(requests.job(job_id))

    def page(self, status: JobState | None = None, limit: int = 50, cursor: str | None = None) -> JobPage:
        return self._call(requests.jobs(status, limit, cursor))

    def jobs(self, status: JobState | None = None) -> Iterator[Job]:
        """Yields all jobs, newest first; it fetches them a page at a time."""
        cursor = None
        for _ in range(MAX_PAGES):
            page = self.page(status, 200, cursor)
            yield from page.jobs
            if page.next_cursor == cursor or page.next_cursor is None:
                return
            cursor = page.next_cursor
        raise endless_list()

    def delete(self, job_id: str) -> None:
        """Raises NotFoundError if there is no such job. A second attempt that finds none means that the first one,
        whose answer was lost, has deleted it."""
        attempted = False

        def attempt() -> None:
            nonlocal attempted
            try:
                check(self._http.request("DELETE", requests.job_path(job_id)))
            except NotFoundError:
                if not attempted:
                    raise
            finally:
                attempted = True

        self._retry(attempt, repeatable=True)

    def retry(self, job_id: str) -> Job:
        """Runs a job again that ended with an error of the service. Raises ConflictError if it cannot be run again."""
        return self._call(requests.retry(job_id))

    def trim(self, job_id: str, max_seconds: float) -> Trim:
        return self._call(requests.trim(job_id, max_seconds))

    def diarize(
        self,
        job_id: str,
        num_speakers: int | None = None,
        *,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
    ) -> DiarizationStarted:
        return self._call(requests.diarize(job_id, SpeakerCount(num_speakers, min_speakers, max_speakers)))

    def diarization(self, job_id: str) -> Diarization:
        return self._call(requests.diarization(job_id))

    def diarization_rttm(self, job_id: str) -> str:
        """Returns a completed diarization as NIST's RTTM. Raises ConflictError if it is not completed."""

        def attempt() -> str:
            response = self._http.get(requests.diarization_path(job_id), params={"format": "rttm"})
            check(response)
            return response.content.decode("utf-8", "replace")

        return self._retry(attempt, repeatable=True)

    def submit(
        self,
        file: Path,
        options: UploadOptions | None = None,
        *,
        idempotency_key: str | None = None,
        on_sent: UploadProgress | None = None,
    ) -> Accepted:
        """Sends the file in blocks; memory stays flat whatever its size. Raises UsageError if it cannot be sent."""
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        upload = build_upload(file, options or UploadOptions(), key)

        def attempt() -> Accepted:
            content = _body(upload, on_sent)
            response = self._http.post(requests.UPLOAD_PATH, content=content, headers=upload.headers)
            return parse(response, Accepted)

        return self._retry(attempt, repeatable=upload.repeatable)

    def wait(
        self, job_id: str, *, on_change: Callable[[Job], None] | None = None, patience: Patience | None = None
    ) -> Job:
        """Returns the completed job. Raises JobFailedError if it failed, WaitTimeoutError if `patience` ran out."""
        return job_result(self._poll(requests.job(job_id), job_state, job_ended, on_change, patience))

    def wait_diarization(
        self, job_id: str, *, on_change: Callable[[Diarization], None] | None = None, patience: Patience | None = None
    ) -> DiarizationResult:
        """Returns the result. Raises DiarizationFailedError if it failed, WaitTimeoutError if `patience` ran out."""
        request = requests.diarization(job_id)
        return diarization_result(self._poll(request, diarization_state, diarization_ended, on_change, patience))

    def download(self, chunk: Chunk, folder: Path, *, on_received: DownloadProgress | None = None) -> Path:
        """Returns the file in `folder`, whole and checked. It continues where an earlier download stopped.

        Raises DamagedDownloadError if the file arrives damaged twice, StorageError if it cannot be written.
        """
        target = download_target(chunk, folder)
        if sync_io.run_blocking(is_complete, target.file, target.sha256):
            return target.file
        try:
            return self._retry(lambda: self._fetch(target, on_received), repeatable=True)
        except DamagedDownloadError:
            return self._retry(lambda: self._fetch(target, on_received), repeatable=True)

    def _fetch(self, target: DownloadTarget, on_received: DownloadProgress | None) -> Path:
        with PartialDownload(target) as download, self._open_stream(target, download.headers) as response:
            if response.is_error:
                response.read()
            if download.accept(response):
                for block in response.iter_bytes():
                    download.write(block)
                    if on_received:
                        on_received(download.size_bytes)
            return download.finish()

    @contextmanager
    def _open_stream(self, target: DownloadTarget, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Opens a file of the service, or of the object store that the service redirects to."""
        limits = file_limits(target.max_bytes).to_extensions()
        with self._http.stream("GET", target.path, headers=headers, extensions=limits) as response:
            if (store_url := redirect_to_store(response)) is None:
                yield response
                return
        store = httpx.Client(**self._connection.to_store(store_url.host), event_hooks=sync_io.event_hooks())
        with store, store.stream("GET", store_url, headers=headers, extensions=limits) as response:
            yield response

    def _call(self, request: Request[T], retries: RetryPolicy | None = None) -> T:
        def attempt() -> T:
            response = self._http.request(request.method, request.path, params=request.params, json=request.json)
            return parse(response, request.answer)

        return self._retry(attempt, repeatable=request.repeatable, retries=retries)

    def _retry(self, attempt: sync_io.Attempt[R], *, repeatable: bool, retries: RetryPolicy | None = None) -> R:
        failures = 0
        while True:
            arrived = True
            failure: ClientError
            try:
                return attempt()
            except httpx.RequestError as error:
                arrived, failure = may_have_arrived(error), unreachable(error, self._http.base_url)
            except httpx.InvalidURL as error:  # of an address or a cursor in an answer
                raise unusable_address(error) from None
            except ClientError as error:
                failure = error
            failures += 1
            delay = retry_delay(
                retries or self._retries,
                failure,
                failures=failures,
                repeatable=repeatable,
                may_have_arrived=arrived,
                chance=random.random(),  # noqa: S311 - jitter is no secret
            )
            if delay is None:
                raise failure
            self._sleep(delay)

    def _poll(
        self,
        request: Request[T],
        state_of: Callable[[T], object],
        has_ended: Callable[[T], bool],
        on_change: Callable[[T], None] | None,
        patience: Patience | None,
    ) -> T:
        poll = Poll(patience or Patience(), time.monotonic())
        last_state: object = None
        while True:
            try:
                answer = self._call(request, NO_RETRIES)
            except ClientError as error:
                self._sleep(poll.after_error(error, time.monotonic()))
                continue
            state = state_of(answer)
            if on_change and state != last_state:
                on_change(answer)
            last_state = state
            if has_ended(answer):
                return answer
            self._sleep(poll.after_state(state, time.monotonic()))


def _body(upload: Upload, on_sent: UploadProgress | None) -> Iterator[bytes]:
    """Yields the body. Raises UsageError if the file has become shorter; what it grew by is not sent."""
    yield upload.head
    sent = 0
    with sync_io.open_file(upload.file) as file:
        while block := file.read(min(BLOCK_BYTES, upload.size_bytes - sent)):
            yield block
            sent += len(block)
            if on_sent:
                on_sent(sent, upload.size_bytes)
    if sent != upload.size_bytes:
        raise changed_while_sent(upload.file)
    yield upload.tail
