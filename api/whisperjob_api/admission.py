"""Decides whether an upload may begin, from the unfinished jobs, the uploads in flight and the free space.

How many uploads may arrive at a time is decided after that (`upload_slots`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from whisperjob.model.resource import WhisperJob
from whisperjob.model.settings import ApiSettings
from whisperjob_api.error_responses import FULL_RETRY_SECONDS, unavailable
from whisperjob_api.errors import HttpCode, RequestError

BACKLOG_RETRY_SECONDS = 30
"""Jobs end all the time, and a minute is long for a client that waits."""


@dataclass(slots=True, eq=False)
class Reservation:
    """Space reserved for an upload in flight. `expected_bytes` is the declared size, or the largest allowed one."""

    tenant: str
    expected_bytes: int
    received_bytes: int = 0

    @property
    def missing_bytes(self) -> int:
        """The bytes that are still to arrive."""
        return max(self.expected_bytes - self.received_bytes, 0)


@dataclass(slots=True)
class UploadGate:
    """The uploads in flight in this process. Once closed it refuses new ones, while a shutdown waits for the others."""

    closed: bool = False
    _in_flight: list[Reservation] = field(default_factory=list)

    @property
    def in_flight(self) -> int:
        """The number of uploads in flight."""
        return len(self._in_flight)

    def expected_bytes(self, tenant: str) -> int:
        """Returns the bytes of a tenant's uploads in flight, as far as they are declared, or the most they may have."""
        return sum(upload.expected_bytes for upload in self._in_flight if upload.tenant == tenant)

    def close(self) -> None:
        """Refuses uploads from now on."""
        self.closed = True

    def check_open(self) -> None:
        """Raises RequestError if the gate is closed."""
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
        """Reserves space for an upload; raises RequestError with the reason if it may not begin.

        `unfinished` are the tenant's queued and processing jobs. This is one step without I/O, so that two uploads
        never take the same last place.
        """
        self.check_open()
        own = [upload for upload in self._in_flight if upload.tenant == tenant]
        sizes = [job.spec.source.size_bytes for job in unfinished] + [upload.expected_bytes for upload in own]
        if len(sizes) >= settings.max_unfinished_jobs:
            raise _too_many_jobs("Too many jobs are unfinished; wait for some to end.")
        if sum(sizes) + expected_bytes > settings.max_unfinished_bytes:
            raise _too_many_jobs("The unfinished jobs hold too many bytes; wait for some to end.")
        missing_bytes = sum(upload.missing_bytes for upload in self._in_flight)
        if free_bytes is not None and free_bytes - missing_bytes - expected_bytes < settings.min_free_bytes:
            raise RequestError(
                HttpCode.INSUFFICIENT_STORAGE,
                "There is no room left in the store.",
                retry_after_seconds=FULL_RETRY_SECONDS,
            )
        reservation = Reservation(tenant, expected_bytes)
        self._in_flight.append(reservation)
        return reservation

    def release(self, reservation: Reservation) -> None:
        """Ends the reservation of an upload that ended."""
        self._in_flight.remove(reservation)


def _too_many_jobs(sentence: str) -> RequestError:
    return RequestError(HttpCode.TOO_MANY_JOBS, sentence, retry_after_seconds=BACKLOG_RETRY_SECONDS)
