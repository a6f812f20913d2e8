"""Tells what happened to jobs in the log; what embedded mode has for Kubernetes Events."""

import logging

from whisperjob.deciding.decision import Event
from whisperjob.model.resource import WhisperJob

log = logging.getLogger(__name__)


class LogEventRecorder:
    """An EventRecorder."""

    async def record(self, job: WhisperJob, event: Event) -> None:
        level = logging.WARNING if event.warning else logging.INFO
        log.log(level, "job %s: %s: %s", job.name, event.reason, event.message)
