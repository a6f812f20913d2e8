"""Whether an upload may begin: a decision over what is unfinished, what is on its way and what room is left."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from whisperjob.model.resource import WhisperJob
from whisperjob.model.settings import ApiSettings
from whisperjob_api.error_responses import FULL_RETRY_SECONDS, unavailable
from whisperjob_api.errors import HttpCode, RequestError

BACKLOG_RETRY_SECONDS = 30
"""A job ends every so often; a minute is long for a client that waits."""


@dataclass(slots=True, eq=False)
class Reservation:
    """Room kept for an upload in flight. `expected_bytes` is what it declared, or the most it may be."""

    tenant: str
    expected_bytes: int
    received_bytes: int = 0

    @property
    def missing_bytes(self) -> int:
        return max(self.expected_bytes - self.received_bytes, 0)


@dataclass(slots=True)
class UploadGate:
    """Every upload in flight of this process; `close` lets none in any more, for a shutdown that waits for the rest."""

    closed: bool = False
    _in_flight: list[Reservation] = field(default_factory=list)

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def close(self) -> None:
        self.closed = True

    def check_open(self) -> None:
        """Raises RequestError."""
        if self.closed:
            raise unavailable("The service is shutting down; try again soon.")

    def admit(
        self,
        tenant: str,
        expected_bytes: int,
        unfinished: Iterable[WhisperJob],
        free_bytes: int | None,
        settings: ApiSettings,
    ) -> Reservation:
        """Reserves, or raises RequestError with the reason. `unfinished` are the tenant's queued and running jobs.

        One step without I/O, so that two uploads never take the same last place.
        """
        self.check_open()
        if len(self._in_flight) >= settings.max_concurrent_uploads:
            raise unavailable("Too many uploads are in flight; try again soon.")
        mine = [upload for upload in self._in_flight if upload.tenant == tenant]
        sizes = [job.spec.source.size_bytes for job in unfinished] + [upload.expected_bytes for upload in mine]
        if len(sizes) >= settings.max_unfinished_jobs:
            raise _backlog("Too many jobs are unfinished; wait for some to end.")
        if sum(sizes) + expected_bytes > settings.max_unfinished_bytes:
            raise _backlog("The unfinished jobs hold too many bytes; wait for some to end.")
        on_their_way = sum(upload.missing_bytes for upload in self._in_flight)
        if free_bytes is not None and free_bytes - on_their_way - expected_bytes < settings.min_free_bytes:
            raise RequestError(
                HttpCode.INSUFFICIENT_STORAGE,
                "There is no room left in the store.",
                retry_after_seconds=FULL_RETRY_SECONDS,
            )
        reservation = Reservation(tenant, expected_bytes)
        self._in_flight.append(reservation)
        return reservation

    def release(self, reservation: Reservation) -> None:
        self._in_flight.remove(reservation)


def _backlog(sentence: str) -> RequestError:
    return RequestError(HttpCode.TOO_MANY_JOBS, sentence, retry_after_seconds=BACKLOG_RETRY_SECONDS)
