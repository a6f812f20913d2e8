"""The workers of all jobs as last observed, by job."""

from collections.abc import Iterable

from whisperjob.model.workers import Worker


class WorkerIndex:
    """Workers by name and by the uid of their job. A worker that was stopped stays out, whatever is observed late."""

    def __init__(self) -> None:
        self._by_uid: dict[str, dict[str, Worker]] = {}
        self._stopped: set[str] = set()

    def of(self, uid: str) -> tuple[Worker, ...]:
        """Returns the workers of the job with this uid."""
        return tuple(self._by_uid.get(uid, {}).values())

    def all(self) -> list[Worker]:
        """Returns the workers of all jobs."""
        return [worker for workers in self._by_uid.values() for worker in workers.values()]

    def put(self, worker: Worker) -> bool:
        """Records the state of a worker; returns False if that changes nothing."""
        if worker.name in self._stopped:
            return False
        workers = self._by_uid.setdefault(worker.job_uid, {})
        if workers.get(worker.name) == worker:
            return False
        workers[worker.name] = worker
        return True

    def mark_stopped(self, worker: Worker) -> None:
        """Records that the worker was stopped on purpose: how it ends says nothing about its work."""
        self._stopped.add(worker.name)
        workers = self._by_uid.get(worker.job_uid, {})
        workers.pop(worker.name, None)
        if not workers:
            self._by_uid.pop(worker.job_uid, None)

    def replace(self, workers: Iterable[Worker]) -> None:
        """Records a full listing: a worker that it lacks is gone, also from those that were stopped."""
        listed = tuple(workers)
        self._stopped &= {worker.name for worker in listed}
        self._by_uid = {}
        for worker in listed:
            self.put(worker)
