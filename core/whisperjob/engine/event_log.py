"""Records events in the log: embedded mode has this in place of Kubernetes Events."""

import logging

from whisperjob.deciding.decision import Event
from whisperjob.model.resource import WhisperJob

log = logging.getLogger(__name__)


class LogEventRecorder:
    """An EventRecorder that writes one line for each event."""

    async def record(self, job: WhisperJob, event: Event) -> None:
        """Logs a warning as a warning, everything else as information."""
        level = logging.WARNING if event.warning else logging.INFO
        log.log(level, "job %s: %s: %s", job.name, event.reason, event.message)
