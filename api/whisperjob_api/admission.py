"""Decides whether an upload may begin, from the unfinished jobs, the uploads in flight and the free space.

How many uploads may arrive at a time is decided after that (`upload_slots`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from whisperjob.model.resource import WhisperJob
from whisperjob.model.settings import ApiSettings
from whisperjob.model.space import SpaceNeed, WorkerUse
from whisperjob_api.error_responses import FULL_RETRY_SECONDS, unavailable
from whisperjob_api.errors import HttpCode, RequestError

BACKLOG_RETRY_SECONDS = 30
"""Jobs end all the time, and a minute is long for a client that waits."""


NO_NEED = SpaceNeed(0, 0)
"""Where workers have disks of their own."""


NO_USE = WorkerUse()


@dataclass(frozen=True, slots=True)
class Room:
    """The disk of the store, as the work on it stands: what is free, what workers have of it, what jobs will need.

    `needs` are those of all unfinished jobs, of all tenants.
    """

    free_bytes: int
    workers: WorkerUse = NO_USE
    needs: tuple[SpaceNeed, ...] = ()


@dataclass(slots=True, eq=False)
class Reservation:
    """Space reserved for an upload in flight. `expected_bytes` is the declared size, or the largest allowed one.

    `need` is that of the job that it becomes.
    """

    tenant: str
    expected_bytes: int
    need: SpaceNeed = NO_NEED
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

    @property
    def missing_bytes(self) -> int:
        """The bytes that uploads in flight still need in the store, with those of their jobs' results."""
        return sum(upload.missing_bytes + upload.need.output_bytes for upload in self._in_flight)

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
        room: Room | None,
        settings: ApiSettings,
        need: SpaceNeed = NO_NEED,
    ) -> Reservation:
        """Reserves space for an upload; raises RequestError with the reason if it may not begin.

        `unfinished` are the tenant's queued and processing jobs. `room` is None where it is not known, and `need` is
        that of the job to come. This is one step without I/O, so that two uploads
        never take the same last place.
        """
        self.check_open()
        own = [upload for upload in self._in_flight if upload.tenant == tenant]
        sizes = [job.spec.source.size_bytes for job in unfinished] + [upload.expected_bytes for upload in own]
        if len(sizes) >= settings.max_unfinished_jobs:
            raise _too_many_jobs("Too many jobs are unfinished; wait for some to end.")
        if sum(sizes) + expected_bytes > settings.max_unfinished_bytes:
            raise _too_many_jobs("The unfinished jobs hold too many bytes; wait for some to end.")
        reservation = Reservation(tenant, expected_bytes, need)
        if room is not None and not _is_enough(room, [*self._in_flight, reservation], settings.min_free_bytes):
            raise RequestError(
                HttpCode.INSUFFICIENT_STORAGE,
                "There is no room left in the store.",
                retry_after_seconds=FULL_RETRY_SECONDS,
            )
        self._in_flight.append(reservation)
        return reservation

    def release(self, reservation: Reservation) -> None:
        """Ends the reservation of an upload that ended."""
        self._in_flight.remove(reservation)


def _is_enough(room: Room, uploads: Sequence[Reservation], min_free_bytes: int) -> bool:
    """Whether the disk has room for these uploads, the last of which is the new one, beside everything promised.

    Two things must hold. What the running workers may write and the results of all jobs leave the free space that is
    always left. And once those workers have ended, there is room for any job that waits: else none of them could run.
    A job that is alone is let in without the second, because its worker gets all that there is.
    """
    needs = [*room.needs, *(upload.need for upload in uploads)]
    arriving = sum(upload.missing_bytes for upload in uploads)
    left = room.free_bytes - arriving - sum(need.output_bytes for need in needs)
    if left - room.workers.pending_bytes < min_free_bytes:
        return False
    return len(needs) == 1 or left + room.workers.held_bytes >= max(need.scratch_bytes for need in needs)


def _too_many_jobs(sentence: str) -> RequestError:
    return RequestError(HttpCode.TOO_MANY_JOBS, sentence, retry_after_seconds=BACKLOG_RETRY_SECONDS)
