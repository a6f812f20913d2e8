"""Chunks through a recogniser, side by side and within the account's limits; every answer is kept the moment it came.

A request that was sent is paid for: when the run is to stop, or one chunk fails for good, nothing new is sent, and what
is in flight is waited for and kept.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import anyio

from whisperjob_client.errors import ClientError, SpeechError
from whisperjob_client.speech.rate_limits import Booking, Pace
from whisperjob_client.speech.recogniser import Recogniser, SpeechLimitedError, SpeechPassingError
from whisperjob_client.transcript.answers import AnswerShapeError, parse_answer

MAX_FAILURES = 5
MAX_REFUSALS = 200
FIRST_RETRY_SECONDS = 1.0
UNSAID_RETRY_SECONDS = 30.0
"""After a 429 that does not say how long."""


class StoppedError(ClientError):
    """It was told to stop; what was answered is kept."""

    code = "interrupted"


@dataclass(frozen=True, slots=True)
class Piece:
    """One chunk: how long it is, how its file is had, and what is to be done with the answer."""

    seconds: float
    fetch: Callable[[], Awaitable[Path]]
    keep: Callable[[dict[str, Any], Booking], Awaitable[None]]


class SpeechWatcher(Protocol):
    def waiting(self, seconds: float, reason: str) -> None:
        """Nothing is sent for so long."""

    def recognised(self, seconds: float) -> None:
        """So many more seconds of audio are done."""


class Recognising:
    """`stop` may be set at any time; `in_flight` says how many requests are then still waited for."""

    def __init__(
        self,
        recogniser: Recogniser,
        pace: Pace,
        watcher: SpeechWatcher,
        *,
        parallel: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._recogniser = recogniser
        self._pace = pace
        self._watcher = watcher
        self._room = anyio.CapacityLimiter(parallel)
        self._turn = anyio.Lock()
        self._clock = clock
        self._stopping = anyio.Event()
        self._failure: ClientError | None = None
        self.in_flight = 0

    def stop(self) -> None:
        self._stopping.set()

    async def run(self, pieces: Sequence[Piece]) -> None:
        """Returns when every piece was kept. Raises the first failure, or StoppedError."""
        async with anyio.create_task_group() as tasks:
            for piece in pieces:
                tasks.start_soon(self._whole, piece)
        if self._failure is not None:
            raise self._failure

    async def _whole(self, piece: Piece) -> None:
        async with self._room:
            try:
                self._check_going()
                file = await piece.fetch()
                answer, booking = await self._answer(file, piece.seconds)
                await piece.keep(answer, booking)
            except ClientError as error:
                if self._failure is None or isinstance(self._failure, StoppedError):
                    self._failure = error
                self._stopping.set()
            else:
                self._watcher.recognised(piece.seconds)

    async def _answer(self, file: Path, seconds: float) -> tuple[dict[str, Any], Booking]:
        failures = refusals = 0
        while True:
            booking = await self._my_turn(seconds)
            self.in_flight += 1
            try:
                answer = await self._recogniser.recognise(file)
                parse_answer(answer)
            except AnswerShapeError as error:
                raise SpeechError(str(error)) from None
            except SpeechLimitedError as error:
                refusals += 1
                self._pace.unbook(booking)
                if refusals >= MAX_REFUSALS:
                    raise
                asked = error.retry_after_seconds
                self._pace.pause(self._clock() + (UNSAID_RETRY_SECONDS if asked is None else asked))
            except SpeechPassingError:
                failures += 1
                if failures >= MAX_FAILURES:
                    raise
                await self._rest(FIRST_RETRY_SECONDS * 2 ** (failures - 1))
            else:
                return answer, booking
            finally:
                self.in_flight -= 1

    async def _my_turn(self, seconds: float) -> Booking:
        """Waits, one at a time, until the limits let this one go."""
        async with self._turn:
            while (delay := self._pace.delay(self._clock(), seconds)) > 0:
                self._watcher.waiting(delay, "the speech account's limits")
                await self._rest(delay)
            self._check_going()
            return self._pace.book(self._clock(), seconds)

    async def _rest(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stopping.wait()
        self._check_going()

    def _check_going(self) -> None:
        if self._stopping.is_set():
            raise StoppedError("Stopped; what was recognised so far is kept.")
