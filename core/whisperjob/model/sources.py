"""Which objects a job may name as its source, and which of them are its own to remove. Pure.

Whoever may create a WhisperJob must not read, by way of a worker, what others uploaded; nor have it removed, which is
what a job's end does to its upload.
"""

from whisperjob.model import names
from whisperjob.model.resource import WhisperJob


def owns_source(job: WhisperJob) -> bool:
    """It was uploaded for this very job."""
    return names.upload_owner(job.spec.source.key) == (job.metadata.namespace, job.name)


def may_read_source(job: WhisperJob, import_prefix: str) -> bool:
    """`import_prefix`: where others put recordings for jobs made by hand; empty: nowhere."""
    key = job.spec.source.key
    if {".", "..", ""} & set(key.split("/")):  # on its way somebody might make another key of it
        return False
    return owns_source(job) or (import_prefix != "" and key.startswith(import_prefix))
