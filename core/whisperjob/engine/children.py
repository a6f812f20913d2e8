"""The workers of all jobs as last seen; what the launcher tells, indexed by job."""

from collections.abc import Iterable

from whisperjob.model.children import Child


class Children:
    """Children by name and by their job's uid. A child that was stopped stays unknown, whatever is told late."""

    def __init__(self) -> None:
        self._by_uid: dict[str, dict[str, Child]] = {}
        self._stopped: set[str] = set()

    def of(self, uid: str) -> tuple[Child, ...]:
        return tuple(self._by_uid.get(uid, {}).values())

    def all(self) -> list[Child]:
        return [child for family in self._by_uid.values() for child in family.values()]

    def put(self, child: Child) -> bool:
        """Takes in a child's state; False if that changes nothing."""
        if child.name in self._stopped:
            return False
        family = self._by_uid.setdefault(child.job_uid, {})
        if family.get(child.name) == child:
            return False
        family[child.name] = child
        return True

    def stopped(self, child: Child) -> None:
        """The child was stopped on purpose: how it ends says nothing about its work."""
        self._stopped.add(child.name)
        family = self._by_uid.get(child.job_uid, {})
        family.pop(child.name, None)
        if not family:
            self._by_uid.pop(child.job_uid, None)

    def replace(self, children: Iterable[Child]) -> None:
        """Takes in a full listing: what it lacks is gone, also from the list of those stopped."""
        listed = tuple(children)
        self._stopped &= {child.name for child in listed}
        self._by_uid = {}
        for child in listed:
            self.put(child)
