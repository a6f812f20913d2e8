"""Kubernetes Events on WhisperJobs: what `kubectl describe wj` shows. Best effort: telling never fails a job."""

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from kubernetes.aio import client

from whisperjob.deciding.decision import Event
from whisperjob.model.clock import utc_now
from whisperjob.model.errors import WhisperJobError
from whisperjob.model.resource import API_VERSION, KIND, WhisperJob
from whisperjob_kubernetes.connection import ClusterError, asking

log = logging.getLogger(__name__)

CONTROLLER: Final = "whisperjob.dev/operator"
_NOTE_LENGTH: Final = 1024


def event_name(job: WhisperJob, event: Event) -> str:
    """The same for the same thing told twice, by a repeated pass or by two operators: creating it is the lock."""
    digest = hashlib.sha256("\0".join((job.uid, event.reason, event.message)).encode()).hexdigest()[:16]
    return f"{job.name}.{digest}"


def build_event(job: WhisperJob, event: Event, instance: str, now: datetime) -> client.EventsV1Event:
    note = event.message if len(event.message) <= _NOTE_LENGTH else event.message[: _NOTE_LENGTH - 1] + "…"
    return client.EventsV1Event(
        api_version="events.k8s.io/v1",
        kind="Event",
        metadata=client.V1ObjectMeta(name=event_name(job, event), namespace=job.metadata.namespace),
        regarding=client.V1ObjectReference(
            api_version=API_VERSION,
            kind=KIND,
            name=job.name,
            namespace=job.metadata.namespace,
            uid=job.uid,
            resource_version=job.version,
        ),
        type="Warning" if event.warning else "Normal",
        reason=event.reason,
        note=note,
        action=event.reason,
        event_time=now,
        reporting_controller=CONTROLLER,
        reporting_instance=instance,
    )


class KubernetesEventRecorder:
    """Tells of jobs in their namespace."""

    def __init__(self, api: client.ApiClient, instance: str, clock: Callable[[], datetime] = utc_now) -> None:
        self._events = client.EventsV1Api(api)
        self._instance = instance
        self._clock = clock

    async def record(self, job: WhisperJob, event: Event) -> None:
        """Idempotent; never raises what the cluster answers."""
        body = build_event(job, event, self._instance, self._clock())
        try:
            with asking():
                await self._events.create_namespaced_event(job.metadata.namespace, body)
        except ClusterError as error:
            if error.code != 409:
                log.warning("job %s: %s could not be told: %s", job.name, event.reason, error)
        except WhisperJobError as error:
            log.warning("job %s: %s could not be told: %s", job.name, event.reason, error)
