"""Kubernetes' Jobs and Pods: the few fields that decisions need, parsed where they enter the operator.

Every field may be absent: a pod that was just created has no status, and other versions of Kubernetes know other
fields.
"""

from datetime import datetime

from pydantic import Field

from whisperjob.model.base import Model


class OwnerReference(Model):
    """An object that owns another, as Kubernetes' garbage collector knows it."""

    kind: str
    name: str
    uid: str
    controller: bool = False


class ObjectMeta(Model):
    """The metadata of a Kubernetes object."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    creation_timestamp: datetime
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that manages this object, None if there is none."""
        return next((owner for owner in self.owner_references if owner.controller), None)


class KubeCondition(Model):
    """A condition in the status of a Job or a Pod."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class KubeJobStatus(Model):
    """The status of a batch/v1 Job."""

    conditions: tuple[KubeCondition, ...] = ()
    start_time: datetime | None = None
    completion_time: datetime | None = None

    def find_true(self, *types: str) -> KubeCondition | None:
        """Returns the first condition of one of these types that is true, None if there is none."""
        return next((c for c in self.conditions if c.type in types and c.status == "True"), None)


class KubeJobSpec(Model):
    """The spec of a batch/v1 Job."""

    suspend: bool = False


class KubeJob(Model):
    """A batch/v1 Job."""

    metadata: ObjectMeta
    spec: KubeJobSpec = KubeJobSpec()
    status: KubeJobStatus = KubeJobStatus()


class ContainerStateWaiting(Model):
    """A container that does not run yet, and why."""

    reason: str = ""
    message: str = ""


class ContainerStateRunning(Model):
    """A container that runs."""

    started_at: datetime | None = None


class ContainerStateTerminated(Model):
    """A container that ended, and how."""

    exit_code: int = 0
    reason: str = ""
    finished_at: datetime | None = None
    started_at: datetime | None = None


class ContainerState(Model):
    """The state of a container: at most one of the three is set."""

    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class ContainerStatus(Model):
    """A container as the kubelet reports it."""

    name: str
    image: str = ""
    state: ContainerState = ContainerState()


class KubePodStatus(Model):
    """The status of a Pod."""

    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    start_time: datetime | None = None
    conditions: tuple[KubeCondition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()

    def find_condition(self, condition_type: str) -> KubeCondition | None:
        """Returns the condition of this type, None if there is none."""
        return next((c for c in self.conditions if c.type == condition_type), None)

    @property
    def ended(self) -> bool:
        """Whether the pod has run to its end."""
        return self.phase in ("Succeeded", "Failed")


class KubePod(Model):
    """A Pod."""

    metadata: ObjectMeta
    status: KubePodStatus = KubePodStatus()

    @property
    def container(self) -> ContainerStatus | None:
        """The only container of a worker's pod, None until the kubelet reports it."""
        return next(iter(self.status.container_statuses), None)
