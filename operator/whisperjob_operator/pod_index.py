"""The pods of workers as last seen, by name and by the Job that controls them."""

from collections.abc import Iterable

from whisperjob_operator.objects import Pod


class PodIndex:
    """Not thread-safe: one event loop."""

    def __init__(self, pods: Iterable[Pod] = ()) -> None:
        self._by_name: dict[str, Pod] = {}
        self._by_owner: dict[str, dict[str, Pod]] = {}
        for pod in pods:
            self.put(pod)

    def get(self, name: str) -> Pod | None:
        return self._by_name.get(name)

    def of(self, job_uid: str) -> list[Pod]:
        """Of the Job with this uid."""
        return list(self._by_owner.get(job_uid, {}).values())

    def put(self, pod: Pod) -> None:
        self.remove(pod.metadata.name)
        self._by_name[pod.metadata.name] = pod
        if owner := pod.metadata.controller:
            self._by_owner.setdefault(owner.uid, {})[pod.metadata.name] = pod

    def remove(self, name: str) -> None:
        pod = self._by_name.pop(name, None)
        owner = pod.metadata.controller if pod else None
        if owner and (family := self._by_owner.get(owner.uid)):
            family.pop(name, None)
            if not family:
                del self._by_owner[owner.uid]
