"""The workers of all jobs as last seen; what the launcher tells, indexed by job."""

from collections.abc import Iterable

from whisperjob.model.workers import Worker


class WorkerIndex:
    """WorkerIndex by name and by their job's uid. A worker that was stopped stays unknown, whatever is told late."""

    def __init__(self) -> None:
        self._by_uid: dict[str, dict[str, Worker]] = {}
        self._stopped: set[str] = set()

    def of(self, uid: str) -> tuple[Worker, ...]:
        return tuple(self._by_uid.get(uid, {}).values())

    def all(self) -> list[Worker]:
        return [worker for family in self._by_uid.values() for worker in family.values()]

    def put(self, worker: Worker) -> bool:
        """Takes in a worker's state; False if that changes nothing."""
        if worker.name in self._stopped:
            return False
        family = self._by_uid.setdefault(worker.job_uid, {})
        if family.get(worker.name) == worker:
            return False
        family[worker.name] = worker
        return True

    def stopped(self, worker: Worker) -> None:
        """The worker was stopped on purpose: how it ends says nothing about its work."""
        self._stopped.add(worker.name)
        family = self._by_uid.get(worker.job_uid, {})
        family.pop(worker.name, None)
        if not family:
            self._by_uid.pop(worker.job_uid, None)

    def replace(self, workers: Iterable[Worker]) -> None:
        """Takes in a full listing: what it lacks is gone, also from the list of those stopped."""
        listed = tuple(workers)
        self._stopped &= {worker.name for worker in listed}
        self._by_uid = {}
        for worker in listed:
            self.put(worker)
