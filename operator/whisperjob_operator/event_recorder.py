"""Records Kubernetes Events of WhisperJobs, which `kubectl describe wj` shows. Best effort: it never fails a job."""

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
from whisperjob_kubernetes.connection import ClusterError, translate_errors

log = logging.getLogger(__name__)

CONTROLLER: Final = "whisperjob.dev/operator"
_MAX_NOTE_LENGTH: Final = 1024
"""What the API server accepts."""


def event_name(job: WhisperJob, event: Event) -> str:
    """Returns the same name for the same event, so that a repeated pass or a second operator cannot record it twice."""
    digest = hashlib.sha256("\0".join((job.uid, event.reason, event.message)).encode()).hexdigest()[:16]
    return f"{job.name}.{digest}"


def build_event(job: WhisperJob, event: Event, instance: str, now: datetime) -> client.EventsV1Event:
    """Builds the Kubernetes Event; `instance` is the name of the operator's pod."""
    note = event.message if len(event.message) <= _MAX_NOTE_LENGTH else event.message[: _MAX_NOTE_LENGTH - 1] + "…"
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
    """An EventRecorder that creates Events in the namespaces of the jobs."""

    def __init__(self, api: client.ApiClient, instance: str, clock: Callable[[], datetime] = utc_now) -> None:
        self._events = client.EventsV1Api(api)
        self._instance = instance
        self._clock = clock

    async def record(self, job: WhisperJob, event: Event) -> None:
        """Creates the Event, unless it exists. Logs the errors of the cluster instead of raising them."""
        body = build_event(job, event, self._instance, self._clock())
        try:
            with translate_errors():
                await self._events.create_namespaced_event(job.metadata.namespace, body)
        except ClusterError as error:
            if error.code != 409:  # it exists already
                log.warning("job %s: %s could not be recorded: %s", job.name, event.reason, error)
        except WhisperJobError as error:
            log.warning("job %s: %s could not be recorded: %s", job.name, event.reason, error)
