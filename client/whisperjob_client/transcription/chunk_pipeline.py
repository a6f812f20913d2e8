"""The answers for all chunks: each chunk is fetched, recognised, parsed and stored, several at once.

A request that was sent is paid for. When the run is stopped, or one chunk fails for good, nothing new is sent, and what
is in flight is waited for and stored.
"""

import time
from collections.abc import Iterable, Sequence

import anyio

from whisperjob_client.async_client import AsyncClient
from whisperjob_client.durations import rough_duration
from whisperjob_client.errors import ClientError, StoppedError
from whisperjob_client.models import Chunk
from whisperjob_client.speech.paced_recogniser import PacedRecogniser
from whisperjob_client.speech.rate_limits import Booking, Limits, Pace
from whisperjob_client.speech.recogniser import Recogniser
from whisperjob_client.transcription.answer_memo import AnswerMemo
from whisperjob_client.transcription.checkpoint import Checkpoint
from whisperjob_client.transcription.file_recognition import FileRecognition
from whisperjob_client.transcription.options import Watcher

NOTED_WAIT_SECONDS = 5.0
"""A wait for the account's limits is announced from this length on."""


class ChunkPipeline:
    """Makes the memo hold an answer for every chunk. `stop` may be called at any time."""

    def __init__(
        self,
        client: AsyncClient,
        recogniser: Recogniser,
        memo: AnswerMemo,
        checkpoint: Checkpoint,
        watcher: Watcher,
        *,
        limits: Limits,
        parallel: int,
        earlier: Iterable[Booking] = (),
    ) -> None:
        """`earlier` are requests that count against the limits beside those that the memo knows."""
        self._client = client
        self._pace = Pace(limits, {*memo.bookings(), *earlier})
        self._recogniser = PacedRecogniser(recogniser, self._pace, watcher)
        self._files = FileRecognition(self._recogniser, memo, watcher)
        self._checkpoint = checkpoint
        self._watcher = watcher
        self._slots = anyio.CapacityLimiter(parallel)
        self._failure: ClientError | None = None

    def stop(self) -> int:
        """Lets nothing more be sent. Returns the number of answers that are still waited for."""
        self._recogniser.stop()
        return self._recogniser.in_flight

    async def run(self, chunks: Sequence[Chunk]) -> None:
        """Returns when every chunk's answer is stored. Raises the first failure, or StoppedError."""
        wait = self._pace.forecast(time.time(), [chunk.duration_seconds for chunk in chunks])
        if wait >= NOTED_WAIT_SECONDS:
            self._watcher.note(
                f"Because of the speech account's limits, this will wait about {rough_duration(wait)} in total."
            )
        async with anyio.create_task_group() as tasks:
            for chunk in chunks:
                tasks.start_soon(self._process, chunk)
        if self._failure is not None:
            raise self._failure

    async def _process(self, chunk: Chunk) -> None:
        async with self._slots:
            try:
                await self._recognise(chunk)
            except ClientError as error:
                if self._failure is None or isinstance(self._failure, StoppedError):
                    self._failure = error
                self._recogniser.stop()
            else:
                self._watcher.recognised(chunk.duration_seconds)

    async def _recognise(self, chunk: Chunk) -> None:
        self._recogniser.check_running()
        file = await self._client.download(chunk, self._checkpoint.folder)
        await self._files.recognise(file, chunk.sha256, chunk.duration_seconds)
        file.unlink(missing_ok=True)
