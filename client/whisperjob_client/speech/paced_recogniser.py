"""A recogniser that stays within the account's limits, tries again what may pass, and can be stopped."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import anyio

from whisperjob_client.backoff import Backoff
from whisperjob_client.errors import StoppedError
from whisperjob_client.speech.rate_limits import Booking, Pace
from whisperjob_client.speech.recogniser import (
    Recogniser,
    SpeechLimitedError,
    SpeechTooLongError,
    SpeechUnavailableError,
)

MAX_FAILURES = 5
MAX_REFUSALS = 200
DEFAULT_RETRY_AFTER_SECONDS = 30.0
"""The wait after a 429 without a Retry-After."""

LONGEST_RETRY_AFTER_SECONDS = 24 * 3600.0
"""The longest period of accounts' limits is a day; nothing is waited for longer."""

_BACKOFF = Backoff(base=1.0, cap=16.0)


class SpeechWatcher(Protocol):
    """Is notified of the recogniser's waits."""

    def waiting(self, seconds: float, reason: str) -> None:
        """Is called before a wait: nothing is sent for so many seconds."""

    def sent(self, seconds: float, /) -> None:
        """Is called when a file of so many seconds of audio goes to the recogniser."""

    def returned(self, seconds: float, /) -> None:
        """Is called when the recogniser has answered or refused it."""


class PacedRecogniser:
    """Several tasks may use it at once. `in_flight` is the number of requests that wait for their answers."""

    def __init__(
        self,
        recogniser: Recogniser,
        pace: Pace,
        watcher: SpeechWatcher,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._recogniser = recogniser
        self._pace = pace
        self._watcher = watcher
        self._next_to_send = anyio.Lock()
        self._clock = clock
        self._stopping = anyio.Event()
        self.in_flight = 0

    @property
    def notes(self) -> Sequence[str]:
        return self._recogniser.notes

    def stop(self) -> None:
        """Lets nothing more be sent. A request in flight is paid for, so its answer is still waited for."""
        self._stopping.set()

    def check_running(self) -> None:
        """Raises StoppedError once it was stopped."""
        if self._stopping.is_set():
            raise StoppedError("Stopped; what was recognised so far is stored.")

    async def recognise(self, file: Path, seconds: float) -> tuple[dict[str, Any], Booking]:
        """Returns the answer as it arrived, and the request as it counts against the limits.

        Raises SpeechError when it gives up, StoppedError if it was stopped before the answer arrived.
        """
        failures = refusals = 0
        while True:
            booking = await self._wait_for_turn(seconds)
            self.in_flight += 1
            self._watcher.sent(seconds)
            try:
                return await self._recogniser.recognise(file), booking
            except SpeechLimitedError as error:
                refusals += 1
                self._pace.unbook(booking)
                if refusals >= MAX_REFUSALS:
                    raise
                wait = error.retry_after_seconds
                if wait is not None and wait > LONGEST_RETRY_AFTER_SECONDS:
                    raise
                self._pace.pause(self._clock() + (DEFAULT_RETRY_AFTER_SECONDS if wait is None else wait))
            except SpeechTooLongError:
                self._pace.unbook(booking)
                raise
            except SpeechUnavailableError:
                failures += 1
                if failures >= MAX_FAILURES:
                    raise
                await self._sleep(_BACKOFF.wait(failures))
            finally:
                self.in_flight -= 1
                self._watcher.returned(seconds)

    async def _wait_for_turn(self, seconds: float) -> Booking:
        """Waits, one task at a time, until the limits allow a file of this length."""
        async with self._next_to_send:
            while (delay := self._pace.delay(self._clock(), seconds)) > 0:
                self._watcher.waiting(delay, "the speech account's limits")
                await self._sleep(delay)
            self.check_running()
            return self._pace.book(self._clock(), seconds)

    async def _sleep(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stopping.wait()
        self.check_running()
