"""An index of the workers' pods as last observed."""

from collections.abc import Iterable

from whisperjob_operator.kube_objects import KubePod


class PodIndex:
    """Pods by their name and by the Job that controls them. Not thread-safe: one event loop."""

    def __init__(self, pods: Iterable[KubePod] = ()) -> None:
        self._by_name: dict[str, KubePod] = {}
        self._by_job_uid: dict[str, dict[str, KubePod]] = {}
        for pod in pods:
            self.put(pod)

    def get(self, name: str) -> KubePod | None:
        """Returns the pod of this name, None if it is not known."""
        return self._by_name.get(name)

    def pods_of(self, job_uid: str) -> list[KubePod]:
        """Returns the pods of the Job with this uid."""
        return list(self._by_job_uid.get(job_uid, {}).values())

    def put(self, pod: KubePod) -> None:
        """Stores a pod in place of an earlier one of its name."""
        self.remove(pod.metadata.name)
        self._by_name[pod.metadata.name] = pod
        if owner := pod.metadata.controller:
            self._by_job_uid.setdefault(owner.uid, {})[pod.metadata.name] = pod

    def remove(self, name: str) -> None:
        """Forgets the pod of this name; does nothing where it is not known."""
        pod = self._by_name.pop(name, None)
        owner = pod.metadata.controller if pod else None
        if owner and (siblings := self._by_job_uid.get(owner.uid)):
            siblings.pop(name, None)
            if not siblings:
                del self._by_job_uid[owner.uid]
