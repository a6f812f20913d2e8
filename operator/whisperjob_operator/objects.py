"""Jobs and Pods as they are observed: the few fields that decisions need, parsed at the border.

Everything may be absent: a pod just created has no status, and other versions of Kubernetes know other fields.
"""

from datetime import datetime

from pydantic import Field

from whisperjob.model.base import Model


class Owner(Model):
    kind: str
    name: str
    uid: str
    controller: bool = False


class Meta(Model):
    name: str
    namespace: str
    uid: str
    resource_version: str
    creation_timestamp: datetime
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    owner_references: tuple[Owner, ...] = ()

    @property
    def controller(self) -> Owner | None:
        return next((owner for owner in self.owner_references if owner.controller), None)


class ObservedCondition(Model):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class JobState(Model):
    conditions: tuple[ObservedCondition, ...] = ()
    start_time: datetime | None = None
    completion_time: datetime | None = None

    def holds(self, *types: str) -> ObservedCondition | None:
        return next((c for c in self.conditions if c.type in types and c.status == "True"), None)


class JobSpec(Model):
    suspend: bool = False


class Job(Model):
    metadata: Meta
    spec: JobSpec = JobSpec()
    status: JobState = JobState()


class Waiting(Model):
    reason: str = ""
    message: str = ""


class Running(Model):
    started_at: datetime | None = None


class Terminated(Model):
    exit_code: int = 0
    reason: str = ""
    finished_at: datetime | None = None
    started_at: datetime | None = None


class ContainerState(Model):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class Container(Model):
    name: str
    image: str = ""
    state: ContainerState = ContainerState()


class PodState(Model):
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    start_time: datetime | None = None
    conditions: tuple[ObservedCondition, ...] = ()
    container_statuses: tuple[Container, ...] = ()

    def condition(self, kind: str) -> ObservedCondition | None:
        return next((c for c in self.conditions if c.type == kind), None)


class Pod(Model):
    metadata: Meta
    status: PodState = PodState()

    @property
    def worker(self) -> Container | None:
        """The only container of a worker's pod, once the kubelet speaks of it."""
        return next(iter(self.status.container_statuses), None)
