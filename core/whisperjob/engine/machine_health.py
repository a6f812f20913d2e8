"""Whether workers meet faults of the machine at present, for probes and for people who run the service."""

from whisperjob.model.phase import ConditionType, Reason, Stage
from whisperjob.model.resource import WhisperJob
from whisperjob.model.stages import active_stage
from whisperjob.model.workers import Worker, WorkerState


class MachineHealth:
    """What the latest workers of each stage said about the machine. One event loop.

    A fault counts while a job waits because of one, and until a worker of the same stage succeeds.
    """

    def __init__(self) -> None:
        self._faults: dict[Stage, str] = {}
        self._waiting: set[str] = set()

    def worker_changed(self, worker: Worker) -> None:
        """Takes note of how a worker ended."""
        if worker.machine_fault:
            self._faults[worker.stage] = worker.message
        elif worker.state is WorkerState.SUCCEEDED:
            self._faults.pop(worker.stage, None)

    def record_changed(self, job: WhisperJob, *, deleted: bool = False) -> None:
        """Takes note of whether a job waits for the machine."""
        scheduled = job.status.condition(ConditionType.SCHEDULED)
        waits = scheduled is not None and scheduled.reason == Reason.MACHINE_FAULT and active_stage(job) is not None
        if waits and not deleted:
            self._waiting.add(job.uid)
        else:
            self._waiting.discard(job.uid)

    @property
    def waiting(self) -> int:
        """How many jobs wait for the machine to be mended."""
        return len(self._waiting)

    def problem(self) -> str:
        """Returns what the machine lacks, empty if no job waits for it."""
        return "; ".join(sorted(set(self._faults.values()))) if self._waiting else ""
